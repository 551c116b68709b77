//! `[auth]` and its tables.
//!
//! RFC 9110 section 11.5 (realm), RFC 7616 section 3.2 (algorithms), RFC 7617 section 2.
//!
//! # Deviations
//!
//! none

use crate::config::reader::Section;
use crate::config::settings::{Auth, AuthScheme, BuiltinUser, DigestAlgorithm};
use crate::config::value::Value;

/// The algorithm names that can be asked for; MD5 only by name.
///
/// Source: RFC 7616 section 6.1.
const ALGORITHM_WORDS: [(&str, DigestAlgorithm); 3] =
    [("SHA-256", DigestAlgorithm::Sha256), ("SHA-512-256", DigestAlgorithm::Sha512_256), ("MD5", DigestAlgorithm::Md5)];

/// `[auth]`; a scheme that has no users is not offered.
pub(super) fn read(root: &mut Section<'_>, builtin_user: Option<BuiltinUser>) -> Auth {
    let mut auth = Auth { builtin_user, ..Auth::default() };
    if let Some(mut section) = root.section("auth") {
        section.set("realm", &mut auth.realm, read_realm);
        section.set("schemes", &mut auth.schemes, |v| v.distinct(read_scheme));
        section.refuse("bearer");
        read_basic(&mut section, &mut auth);
        read_digest(&mut section, &mut auth);
        section.finish();
    }
    auth
}

/// A realm travels in a quoted-string: control characters have no place in it.
///
/// Source: RFC 9110 sections 5.6.4 and 11.5.
fn read_realm(value: &Value<'_>) -> Option<String> {
    let realm = value.name()?;
    if realm.chars().any(char::is_control) { value.mistake("a realm without control characters") } else { Some(realm) }
}

fn read_scheme(value: &Value<'_>) -> Option<AuthScheme> {
    if value.node.get_ref().as_str() == Some("bearer") {
        return value.complain("\"bearer\" is not in this version; leave it out");
    }
    value.word(&[("digest", AuthScheme::Digest), ("basic", AuthScheme::Basic)])
}

fn read_basic(section: &mut Section<'_>, auth: &mut Auth) {
    let Some(mut basic) = section.section("basic") else { return };
    basic.set_some("htpasswd", &mut auth.basic.htpasswd, |v| v.file());
    basic.set("verdict_ttl", &mut auth.basic.verdict_ttl, |v| v.duration());
    basic.set("allow_cleartext", &mut auth.basic.allow_cleartext, |v| v.flag());
    basic.finish();
}

fn read_digest(section: &mut Section<'_>, auth: &mut Auth) {
    let Some(mut digest) = section.section("digest") else { return };
    digest.set_some("htdigest", &mut auth.digest.htdigest, |v| v.file());
    digest.set("algorithms", &mut auth.digest.algorithms, |v| v.distinct(|one| one.word(&ALGORITHM_WORDS)));
    digest.set("nonce_lifetime", &mut auth.digest.nonce_lifetime, |v| v.bound());
    digest.finish();
}
