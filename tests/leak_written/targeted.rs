//! Fields that are addressed to a kind of cache (RFC 9213).

use crate::table::Outcome::{Own, Shared, Validated};
use crate::table::{Mode, Written, case, run};

macro_rules! cdn {
    ($own:expr, $($line:expr),*) => { &[("cache-control", $own), $(("cdn-cache-control", $line)),*] };
}

pub const GATEWAY: &[Written] = &[
    case("permission in the targeted field alone", cdn!["max-age=60", "public, max-age=60"], Shared),
    case("s-maxage in the targeted field", cdn!["max-age=60", "s-maxage=60"], Shared),
    case("must-revalidate in the targeted field", cdn!["max-age=60", "must-revalidate, max-age=60"], Shared),
    case("two targeted lines", cdn!["max-age=60", "public", "max-age=60"], Shared),
    case("parameters are ignored", cdn!["max-age=60", "public;x=1, max-age=60;y"], Shared),
    case("no Cache-Control at all", &[("cdn-cache-control", "public, max-age=60")], Shared),
    case("no permission in the targeted field", cdn!["public, max-age=60", "max-age=60"], Own),
    case("public switched off", cdn!["public, max-age=60", "public=?0, max-age=60"], Own),
    case("public as a number", cdn!["public, max-age=60", "public=1, max-age=60"], Own),
    case("public as a list", cdn!["public, max-age=60", "public=(a), max-age=60"], Own),
    case("s-maxage as text", cdn!["public, max-age=60", "s-maxage=\"60\""], Own),
    case("no-store in the targeted field", cdn!["public, max-age=60", "no-store"], Own),
    case("private in the targeted field", cdn!["public, max-age=60", "public, private, max-age=60"], Own),
    case("private switched off in the targeted field", cdn!["public, max-age=60", "private=?0, public, max-age=60"], Own),
    case("private in Cache-Control", cdn!["private", "public, max-age=60"], Own),
    case("a decimal lifetime", cdn!["max-age=60", "public, max-age=60.0"], Validated),
    case("no-cache in the targeted field", cdn!["public, max-age=60", "public, no-cache, max-age=60"], Validated),
    case("not a dictionary, so Cache-Control decides for it", cdn!["public, max-age=60", "Public, max-age=60"], Shared),
    case("not a dictionary, so Cache-Control decides against it", cdn!["max-age=60", "Public, max-age=60"], Own),
    case("a trailing comma is no dictionary", cdn!["max-age=60", "public, max-age=60,"], Own),
    case("an empty one decides nothing", cdn!["max-age=60", ""], Own),
    case("addressed to others", &[("cache-control", "max-age=60"), ("surrogate-control", "public, max-age=60")], Own),
    case("addressed to another's", &[("cache-control", "max-age=60"), ("x-cdn-cache-control", "public, max-age=60")], Own),
];

pub const FORWARD: &[Written] = &[
    case("a forward proxy reads no permission there", cdn!["max-age=60", "public, max-age=60"], Own),
    case("a forward proxy reads no prohibition there", cdn!["public, max-age=60", "no-store"], Shared),
];

#[tokio::test]
async fn x026_a_targeted_field_decides_alone_in_a_gateway() {
    run(Mode::Gateway, GATEWAY).await;
}

#[tokio::test]
async fn x026_a_targeted_field_decides_nothing_in_a_forward_proxy() {
    run(Mode::Forward, FORWARD).await;
}
