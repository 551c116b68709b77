//! Directives as people write them: spellings, repeated lines, qualified forms (RFC 9111 sections 3.5 and 5.2.2).

use crate::table::Outcome::{Own, Shared, Validated};
use crate::table::{Mode, Written, case, run};

macro_rules! says {
    ($($line:expr),*) => { &[$(("cache-control", $line)),*] };
}

pub const SPELLINGS: &[Written] = &[
    case("a capital", says!["Public, max-age=60"], Shared),
    case("no space", says!["public,max-age=60"], Shared),
    case("tabs around the comma", says!["public\t,\tmax-age=60"], Shared),
    case("empty members", says![", max-age=60,, ,public,"], Shared),
    case("said twice", says!["public, public, max-age=60"], Shared),
    case("an unknown directive before", says!["whatever=\"1,2\", public, max-age=60"], Shared),
    case("immutable and public", says!["immutable, public, max-age=60"], Shared),
    case("must-understand and public", says!["must-understand, public, max-age=60"], Shared),
    case("proxy-revalidate and s-maxage", says!["proxy-revalidate, s-maxage=60"], Shared),
    case("s-maxage over max-age=0", says!["s-maxage=60, max-age=0"], Shared),
    case("a quoted number", says!["public, max-age=\"60\""], Shared),
    case("a quoted shared number", says!["s-maxage=\"60\", ext"], Shared),
    case("leading zeros", says!["s-maxage=0060"], Shared),
    case("more than 32 bits", says!["s-maxage=4294967296"], Shared),
    case("a semicolon", says!["public; max-age=60"], Own),
    case("a semicolon at the end", says!["max-age=60, public;"], Own),
    case("a semicolon after a number", says!["s-maxage=60;public"], Own),
    case("an exponent", says!["s-maxage=6e1, max-age=60"], Own),
    case("hexadecimal", says!["s-maxage=0x3c, max-age=60"], Own),
    case("digits of another script", says!["s-maxage=\u{ff16}\u{ff10}, max-age=60"], Own),
    case("a sign", says!["s-maxage=-60, max-age=60"], Own),
    case("a space in the number", says!["s-maxage=6 0, max-age=60"], Own),
    case("a unit", says!["s-maxage=1m, max-age=60"], Own),
    case("an argument to public", says!["public=true, max-age=60"], Own),
    case("a list as argument to public", says!["public=\"x-a, x-b\", max-age=60"], Own),
    case("an empty argument to public", says!["public=, max-age=60"], Own),
    case("an argument to must-revalidate", says!["must-revalidate=true, max-age=60"], Own),
    case("a broken public beside must-revalidate", says!["public=1, must-revalidate, max-age=60"], Shared),
    case("a prefix", says!["xpublic, max-age=60"], Own),
    case("a suffix", says!["publicly, max-age=60"], Own),
    case("single quotes", says!["'public', max-age=60"], Own),
    case("a comment", says!["(public), max-age=60"], Own),
    case("a negative lifetime", says!["public, max-age=-1"], Validated),
    case("two lifetimes, one broken", says!["public, max-age=60, max-age=abc"], Validated),
    case("no lifetime at all", says!["must-revalidate"], Validated),
];

pub const LINES: &[Written] = &[
    case("permission on the second line", says!["max-age=60", "must-revalidate"], Shared),
    case("permission on the third line", says!["max-age=60", "", "public"], Shared),
    case("s-maxage on a line of its own", says!["max-age=0", "s-maxage=60"], Shared),
    case("names in different case", &[("CACHE-CONTROL", "public"), ("cache-control", "max-age=60")], Shared),
    case("private on the second line", says!["public, max-age=60", "private"], Own),
    case("no-store on the first line", says!["no-store", "public, max-age=60"], Own),
    case("no-cache on the second line", says!["public, max-age=60", "no-cache"], Validated),
    case("a quote that the first line leaves open", says!["max-age=60, ext=\"a", "public, b\""], Own),
    case("Pragma says public", &[("cache-control", "max-age=60"), ("pragma", "public")], Own),
    case("a list that looks like a line", &[("cache-control", "max-age=60"), ("x-note", "Cache-Control: public")], Own),
];

pub const QUALIFIED: &[Written] = &[
    case("no-cache of one field", says!["public, max-age=60, no-cache=\"x-note\""], Shared),
    case("no-cache of two fields", says!["public, max-age=60, no-cache=\"x-note, set-cookie\""], Shared),
    case("no-cache of a token", says!["public, max-age=60, no-cache=x-note"], Shared),
    case("no-cache of nothing", says!["public, max-age=60, no-cache=\"\""], Validated),
    case("no-cache of no name", says!["public, max-age=60, no-cache=\"a b\""], Validated),
    case("no-cache left open", says!["public, max-age=60, no-cache=\"x-note"], Validated),
    case("private of one field", says!["public, max-age=60, private=\"x-note\""], Own),
    case("private of nothing", says!["public, max-age=60, private=\"\""], Own),
    case("private switched off", says!["private=false, public, max-age=60"], Own),
    case("no-store with an argument", says!["public, max-age=60, no-store=0"], Own),
    case("no-store of a field", says!["public, max-age=60, no-store=\"x-note\""], Own),
    case(
        "must-understand lifts no-store for nobody with credentials",
        says!["must-understand, no-store, public, max-age=60"],
        Own,
    ),
    case("private in a quoted argument", says!["public, max-age=60, ext=\"private\""], Own),
    case("private as a part of a word", says!["s-maxage=60, x-private"], Own),
];

#[tokio::test]
async fn n054_permission_is_read_as_it_is_spelled() {
    run(Mode::Gateway, SPELLINGS).await;
}

#[tokio::test]
async fn n054_lines_are_read_as_one_list() {
    run(Mode::Gateway, LINES).await;
}

#[tokio::test]
async fn n054_qualified_forms_keep_their_force() {
    run(Mode::Gateway, QUALIFIED).await;
}
