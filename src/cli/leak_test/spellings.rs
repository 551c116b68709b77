//! What responses say: directives that permit, forbid and do neither, and spellings that a sloppy parser reads in one way
//! and a strict one in another.
//!
//! RFC 9111 sections 3.5 and 5.2.2; RFC 9110 sections 5.3 and 5.6.

/// What a response says about caching: its `Cache-Control` lines, and whether `Expires` is a minute ahead.
#[derive(Debug)]
pub struct Spelling {
    /// Which part of the matrix it belongs to.
    pub kind: Kind,
    /// The `Cache-Control` lines.
    pub lines: &'static [&'static str],
    /// Whether `Expires` is a minute after `Date`.
    pub expires: bool,
}

/// Which part of the matrix a spelling belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing that section 3.5 names.
    NoPermission,
    /// Not written as the grammar asks, or misleading.
    Odd,
    /// At least one of `public`, `must-revalidate` and `s-maxage`, and nothing against it.
    Permission,
    /// `private` or `no-store`, or what looks like it.
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

/// Lifetimes are a minute or nothing.
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
    odd(&["public, private=\"\", max-age=60"]),
    odd(&["no-store=foo, public, max-age=60"]),
    odd(&["private ;a, public, max-age=60"]),
    odd(&["private=\"x-note, public, max-age=60"]),
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

/// Fresh for a second: asked about later, they are stale.
pub const SHORT_LIVED: &[Spelling] = &[
    none(&["max-age=1"]),
    none(&["max-age=1, proxy-revalidate"]),
    none(&["max-age=1, stale-while-revalidate=600"]),
    none(&["max-age=1, stale-if-error=600"]),
    none(&["max-age=1, immutable"]),
    prohibits(&["private, max-age=1"]),
    prohibits(&["public, max-age=1, no-store"]),
    permits(&["public, max-age=1"]),
    permits(&["public, max-age=1", "proxy-revalidate"]),
    permits(&["public, max-age=1, must-revalidate"]),
    permits(&["s-maxage=1"]),
    permits(&["s-maxage=1, max-age=600"]),
    permits(&["max-age=600, s-maxage=1, stale-if-error=600"]),
    permits(&["must-revalidate, max-age=1"]),
    permits(&["public, max-age=1, stale-while-revalidate=600"]),
    permits(&["s-maxage=1, stale-while-revalidate=600"]),
    permits(&["must-revalidate, max-age=1, stale-while-revalidate=600"]),
    permits(&["public, max-age=1, no-cache, stale-while-revalidate=600"]),
];

/// What is asked for by many at once.
pub const CONCURRENT: &[Spelling] = &[
    none(&[]),
    none(&["max-age=60"]),
    none(&["no-cache"]),
    none(&["max-age=60, proxy-revalidate"]),
    prohibits(&["private, max-age=60"]),
    prohibits(&["no-store"]),
    prohibits(&["public, max-age=60", "private"]),
    permits(&["public, max-age=60"]),
    permits(&["s-maxage=60"]),
    permits(&["must-revalidate, max-age=60"]),
    permits(&["s-maxage=0"]),
    permits(&["public, no-cache"]),
    odd(&["s-maxage=abc, max-age=60"]),
    odd(&["foo=\"a, public, b\", max-age=60"]),
];
