//! The scenes of the demo and how a row of the table is written.

use super::client::Answer;

/// One path of the demo origin, asked for by several clients.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    pub(super) meaning: &'static str,
    pub(super) clients: &'static [Who],
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// `Authorization: Bearer alice`.
    Alice,
    /// `Authorization: Bearer bob`.
    Bob,
    /// No `Authorization`.
    Anonymous,
    /// Not even known to the proxy.
    Stranger,
}

impl Who {
    /// The name in the table, and the token that a known user sends.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Anonymous => "anonymous",
            Self::Stranger => "stranger",
        }
    }
}

use Who::{Alice, Anonymous, Bob, Stranger};

/// The walk-through, in the order it is shown.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        path: "/s-maxage",
        title: "0. No proxy credentials",
        meaning: "The proxy asks for credentials before it looks anything up (RFC 9110 section 11.7.1).",
        clients: &[Stranger],
    },
    Scene {
        path: "/s-maxage",
        title: "1. Cache-Control: s-maxage=60",
        meaning: "Permits reuse for everybody while fresh (RFC 9111 section 5.2.2.10).",
        clients: &[Alice, Bob, Anonymous],
    },
    Scene {
        path: "/s-maxage-0",
        title: "2. Cache-Control: s-maxage=0",
        meaning: "Stored, and the origin judges every request's own credentials; the bytes come from the cache (section 3.5).",
        clients: &[Alice, Bob, Anonymous, Bob],
    },
    Scene {
        path: "/must-revalidate",
        title: "3. Cache-Control: max-age=60, must-revalidate",
        meaning: "Permits reuse while fresh; once stale, only after validation (section 5.2.2.2).",
        clients: &[Alice, Bob, Anonymous],
    },
    Scene {
        path: "/public",
        title: "4. Cache-Control: public, max-age=60",
        meaning: "Permits reuse although the request was credentialed (section 5.2.2.9).",
        clients: &[Alice, Bob, Anonymous],
    },
    Scene {
        path: "/none",
        title: "5. Cache-Control: max-age=60",
        meaning: "No permission: a response to a credentialed request is for that request alone (section 3.5).",
        clients: &[Alice, Bob, Alice],
    },
    Scene {
        path: "/anonymous",
        title: "6. Cache-Control: max-age=60, first asked for without credentials",
        meaning: "Stored from an anonymous request, so nobody's secret: it answers everybody (section 4).",
        clients: &[Anonymous, Alice],
    },
    Scene {
        path: "/private",
        title: "7. Cache-Control: private, s-maxage=60",
        meaning: "private wins over any permission, in any order (section 5.2.2.7).",
        clients: &[Alice, Alice, Bob],
    },
    Scene {
        path: "/vary",
        title: "8. Cache-Control: max-age=60, with Vary: Authorization",
        meaning: "Vary selects among stored responses and permits nothing (section 4.1).",
        clients: &[Alice, Alice],
    },
    Scene {
        path: "/vary-public",
        title: "9. Cache-Control: public, max-age=60, with Vary: Authorization",
        meaning: "With permission, each credential has a variant of its own (sections 3.5 and 4.1).",
        clients: &[Alice, Bob, Alice],
    },
];

/// The table's first line.
pub(super) fn heading() -> String {
    format!("{:<10} {:<28} {:<30} {:<54} {}", "who asks", "what reached the origin", "answer", "decision", "rule")
}

/// One request as a line of the table.
pub(super) fn row(who: &Who, seen: &str, answer: &Answer) -> String {
    let content = if answer.text.is_empty() { String::new() } else { format!(" {}", answer.text) };
    let outcome = format!("{}{content}", answer.status);
    format!("{:<10} {:<28} {:<30} {:<54} {}", who.name(), seen, outcome, answer.decision, rule(&answer.reason, answer.status))
}

/// The clause behind a reason word of `Cache-Status`.
fn rule(reason: &str, status: u16) -> &'static str {
    match (reason, status) {
        (_, 407) => "RFC 9110 section 11.7.1",
        ("permit-s-maxage", _) => "RFC 9111 sections 3.5 and 5.2.2.10",
        ("permit-must-revalidate", _) => "RFC 9111 sections 3.5 and 5.2.2.2",
        ("permit-public", _) => "RFC 9111 sections 3.5 and 5.2.2.9",
        ("no-permit", _) => "RFC 9111 section 3.5",
        ("private", _) => "RFC 9111 section 5.2.2.7",
        ("validated", _) => "RFC 9111 section 4.3",
        ("status", 401) => "RFC 9110 section 15.5.2",
        ("uncredentialed", _) => "RFC 9111 section 4",
        _ => "RFC 9111 section 3",
    }
}
