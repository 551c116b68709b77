//! The axes of the matrix: what a response says, who fills and who asks, what it varies on, and when.
//!
//! RFC 9111 section 3.5 and 5.2.2; RFC 9110 section 11.6.2. What responses say is in the program, which runs it too.

use vouchsafe::cli::leak_test::spellings::{SPELLINGS, Spelling};

/// Whether credentials come with a request, and how they are written.
pub struct Person {
    pub name: &'static str,
    pub fields: &'static [(&'static str, &'static str)],
    pub query: &'static str,
}

const fn person(name: &'static str, fields: &'static [(&'static str, &'static str)]) -> Person {
    Person { name, fields, query: "" }
}

const ALICE: Person = person("alice", &[("Authorization", "Bearer alice")]);
const BOB: Person = person("bob", &[("Authorization", "Bearer bob")]);
const NOBODY: Person = person("nobody", &[]);
const LOWER: Person = person("alice-lower", &[("authorization", "Bearer alice")]);
const UPPER: Person = person("alice-upper", &[("AUTHORIZATION", "Bearer alice")]);
const EMPTY: Person = person("empty", &[("Authorization", "")]);
const SPACES: Person = person("spaces", &[("Authorization", "   ")]);
const MALFORMED: Person = person("malformed", &[("Authorization", "Basic !!! , =\u{e9}")]);
const KEY_1: Person = person("key-1", &[("X-Api-Key", "one")]);
const KEY_2: Person = person("key-2", &[("X-Api-Key", "two")]);
const SESSION_1: Person = person("session-1", &[("Cookie", "theme=dark; sid=one")]);
const SESSION_2: Person = person("session-2", &[("Cookie", "sid=two")]);
const THEMED: Person = person("themed", &[("Cookie", "theme=dark; residue=sid")]);
const TOKEN: Person = Person { name: "token", fields: &[], query: "?access_token=alice" };
const ENCODED_TOKEN: Person = Person { name: "encoded-token", fields: &[], query: "?a=b&%61ccess_token=alice" };

/// Who fills and who asks. A credential in the query is part of the target, so both have it.
pub const PAIRS: &[(Person, Person)] = &[
    (ALICE, BOB),
    (ALICE, NOBODY),
    (NOBODY, ALICE),
    (ALICE, ALICE),
    (NOBODY, NOBODY),
    (LOWER, BOB),
    (UPPER, NOBODY),
    (EMPTY, BOB),
    (EMPTY, NOBODY),
    (SPACES, NOBODY),
    (MALFORMED, ALICE),
    (NOBODY, EMPTY),
    (KEY_1, KEY_2),
    (KEY_1, NOBODY),
    (SESSION_1, SESSION_2),
    (SESSION_1, NOBODY),
    (THEMED, SESSION_2),
    (TOKEN, TOKEN),
    (ENCODED_TOKEN, ENCODED_TOKEN),
];

/// What the response varies on, and the language of the one who asks (who fills says `en`).
pub const VARIES: &[(Option<&str>, &str)] =
    &[(None, "fr"), (Some("Authorization"), "en"), (Some("Accept-Language"), "en"), (Some("accept-language"), "fr")];

/// How long after the fill the second request comes, in seconds; lifetimes are a minute.
pub const MOMENTS: [u64; 2] = [0, 100];

/// One case of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub spelling: usize,
    pub pair: usize,
    pub vary: usize,
    pub moment: usize,
}

impl Case {
    /// The full product.
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for spelling in 0..SPELLINGS.len() {
            for pair in 0..PAIRS.len() {
                for vary in 0..VARIES.len() {
                    cases.extend((0..MOMENTS.len()).map(|moment| Self { spelling, pair, vary, moment }));
                }
            }
        }
        cases
    }

    /// The target that is this case's alone.
    pub fn target(&self) -> String {
        format!("/{}/{}/{}/{}{}", self.spelling, self.pair, self.vary, self.moment, self.filler().query)
    }

    /// The case of a target.
    pub fn of(target: &str) -> Self {
        let path = target.split('?').next().unwrap_or_default();
        let mut numbers = path.split('/').skip(1).map(|part| part.parse().expect("a number"));
        let mut next = || numbers.next().expect("four numbers");
        Self { spelling: next(), pair: next(), vary: next(), moment: next() }
    }

    pub fn spelling(&self) -> &'static Spelling {
        &SPELLINGS[self.spelling]
    }

    pub fn filler(&self) -> &'static Person {
        &PAIRS[self.pair].0
    }

    pub fn asker(&self) -> &'static Person {
        &PAIRS[self.pair].1
    }

    pub fn vary(&self) -> Option<&'static str> {
        VARIES[self.vary].0
    }

    pub fn fill_fields(&self) -> Vec<(&'static str, &'static str)> {
        fields_of(self.filler(), "en")
    }

    pub fn ask_fields(&self) -> Vec<(&'static str, &'static str)> {
        fields_of(self.asker(), VARIES[self.vary].1)
    }

    /// How a failure names it.
    pub fn title(&self) -> String {
        let Spelling { kind, lines, expires } = self.spelling();
        let (filler, asker, vary, later) = (self.filler().name, self.asker().name, VARIES[self.vary], MOMENTS[self.moment]);
        format!("{kind:?} {lines:?} expires={expires}, {filler} -> {asker}, vary={vary:?}, {later} s later")
    }
}

fn fields_of(person: &'static Person, language: &'static str) -> Vec<(&'static str, &'static str)> {
    person.fields.iter().copied().chain([("Accept-Language", language)]).collect()
}
