//! The axes of the matrix: what a response says, who fills and who asks, what it varies on, and when.
//!
//! RFC 9111 section 3.5 and 5.2.2; RFC 9110 sections 5.3, 5.6 and 11.6.2.

/// What a response says about caching: its `Cache-Control` lines, and whether `Expires` is a minute ahead.
pub struct Spelling {
    pub kind: Kind,
    pub lines: &'static [&'static str],
    pub expires: bool,
}

/// Which part of the matrix a spelling belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    NoPermission,
    Odd,
    Permission,
    Prohibition,
}

const fn none(lines: &'static [&'static str]) -> Spelling {
    Spelling { kind: Kind::NoPermission, lines, expires: false }
}

const fn prohibits(lines: &'static [&'static str]) -> Spelling {
    Spelling { kind: Kind::Prohibition, lines, expires: false }
}

const fn permits(lines: &'static [&'static str]) -> Spelling {
    Spelling { kind: Kind::Permission, lines, expires: false }
}

const fn odd(lines: &'static [&'static str]) -> Spelling {
    Spelling { kind: Kind::Odd, lines, expires: false }
}

const fn expiring(mut spelling: Spelling) -> Spelling {
    spelling.expires = true;
    spelling
}

pub const SPELLINGS: &[Spelling] = &[
    // Nothing here permits anything (RFC 9111 section 3.5 names three directives, and none of these).
    none(&[]),
    none(&["max-age=60"]),
    expiring(none(&[])),
    none(&["max-age=60, proxy-revalidate"]),
    none(&["no-cache"]),
    none(&["no-cache, max-age=60"]),
    none(&["max-age=60, immutable"]),
    none(&["max-age=60, stale-while-revalidate=600"]),
    none(&["max-age=60, stale-while-revalidate=30"]),
    none(&["max-age=60, stale-if-error=600, no-transform, must-understand"]),
    // `private` and `no-store` win, wherever and however they are written (sections 5.2.2.5 and 5.2.2.7).
    prohibits(&["private"]),
    prohibits(&["no-store"]),
    prohibits(&["private, max-age=60"]),
    prohibits(&["public, private, max-age=60"]),
    prohibits(&["private, public, max-age=60"]),
    prohibits(&["s-maxage=60, private"]),
    prohibits(&["no-store, s-maxage=60"]),
    prohibits(&["must-revalidate, max-age=60, no-store"]),
    prohibits(&["PRIVATE, public, max-age=60"]),
    prohibits(&["public, max-age=60, No-Store"]),
    prohibits(&["PuBlIc,\tpRiVaTe, MAX-AGE=60"]),
    prohibits(&["public, max-age=60", "private"]),
    prohibits(&["private", "public, max-age=60"]),
    prohibits(&["s-maxage=60", "", "no-store"]),
    prohibits(&[",,public,,private,, max-age=60"]),
    prohibits(&["public, private=1, max-age=60"]),
    prohibits(&["public, private=\"\", max-age=60"]),
    prohibits(&["no-store=foo, public, max-age=60"]),
    prohibits(&["private ;a, public, max-age=60"]),
    prohibits(&["private=\"x-note, public, max-age=60"]),
    // Not a prohibition of the whole, or none at all.
    prohibits(&["private=\"x-note\", public, max-age=60"]),
    prohibits(&["ext=\"private, no-store\", public, max-age=60"]),
    prohibits(&["ext=\"private, no-store\", max-age=60"]),
    prohibits(&["x-private=1, s-maxage=60"]),
    // Permission (sections 5.2.2.2, 5.2.2.9 and 5.2.2.10), fresh, stale at once, or without a lifetime.
    permits(&["public, max-age=60"]),
    permits(&["public"]),
    expiring(permits(&["public"])),
    permits(&["public, max-age=60, stale-while-revalidate=600"]),
    permits(&["public, max-age=60, stale-while-revalidate=30"]),
    permits(&["s-maxage=60, stale-while-revalidate=600"]),
    permits(&["must-revalidate, max-age=60, stale-while-revalidate=600"]),
    permits(&["s-maxage=60"]),
    permits(&["s-maxage=0"]),
    permits(&["s-maxage=0, max-age=60"]),
    permits(&["max-age=0, s-maxage=60"]),
    permits(&["must-revalidate, max-age=60"]),
    permits(&["must-revalidate"]),
    permits(&["public, no-cache"]),
    permits(&["public, no-cache, max-age=60"]),
    permits(&["public, no-cache=\"x-note\", max-age=60"]),
    permits(&["PUBLIC, Max-Age=60"]),
    permits(&["S-MaxAge=60"]),
    permits(&["max-age=60", "public"]),
    permits(&["s-maxage=60, proxy-revalidate"]),
    permits(&["max-age=60, must-revalidate, proxy-revalidate"]),
    // Spellings that a sloppy parser reads in one way and a strict one in another.
    odd(&["s-maxage=abc, max-age=60"]),
    odd(&["s-maxage=\"60\""]),
    odd(&["s-maxage, max-age=60"]),
    odd(&["s-maxage=, max-age=60"]),
    odd(&["s-maxage=-1, max-age=60"]),
    odd(&["s-maxage=+60, max-age=60"]),
    odd(&["s-maxage=1.5, max-age=60"]),
    odd(&["s-maxage=60s, max-age=60"]),
    odd(&["s-maxage='60', max-age=60"]),
    odd(&["s-maxage=060"]),
    odd(&["s-maxage=99999999999999999999"]),
    odd(&["s-maxage =60, max-age=60"]),
    odd(&["s-maxage= 60, max-age=60"]),
    odd(&["s_maxage=60, max-age=60"]),
    odd(&["public=1, max-age=60"]),
    odd(&["public=\"\", max-age=60"]),
    odd(&["must-revalidate=1, max-age=60"]),
    odd(&["public max-age=60"]),
    odd(&["public;max-age=60"]),
    odd(&["\"public\", max-age=60"]),
    odd(&["foo=\"a, public, b\", max-age=60"]),
    odd(&["ext=\"s-maxage=9\", max-age=60"]),
    odd(&["ext=\"\\\", public, \\\"\", max-age=60"]),
    odd(&["x-public, public-ish, x-s-maxage=60, max-age=60"]),
    odd(&["community=\"UCI\", foo, bar=1, public, max-age=60"]),
    odd(&["max-age=60, max-age=0, public"]),
    odd(&["max-age=0, max-age=60, public"]),
    odd(&["s-maxage=60, s-maxage=0"]),
    odd(&["s-maxage=60, s-maxage=abc"]),
    odd(&["s-maxage=abc", "s-maxage=60"]),
    odd(&["max-age =60, public"]),
    odd(&["max-age =60"]),
    odd(&["public\u{e9}, max-age=60"]),
    odd(&["\u{e9}public, max-age=60"]),
    odd(&["public, \u{e9}\u{ff}, max-age=60"]),
    odd(&["ext=\"\u{e9}\", s-maxage=60"]),
    odd(&["ext=\"a, public, max-age=60"]),
    odd(&["ext=\"a", "public, max-age=60"]),
    odd(&["ext=\"a", "s-maxage=60"]),
    odd(&["public, max-age=60, ext=\""]),
    odd(&["s-maxage=\"60, max-age=60"]),
];

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
