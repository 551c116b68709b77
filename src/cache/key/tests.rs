use super::*;
use crate::cache::rules::query::{Form, Parameter};
use crate::cache::tests::{key as cache_key, permit};

#[test]
fn n056_a_key_is_the_whole_target_uri_and_nothing_else() {
    let keyed = Keyed::random().unwrap();
    let urls = [
        "http://a.example:80/x",
        "https://a.example:80/x",
        "http://b.example:80/x",
        "http://a.example:81/x",
        "http://a.example:80/X",
        "http://a.example:80/x/",
        "http://a.example:80/x?",
        "http://a.example:80/x?a=1",
        "http://a.example:80/x?a=1&",
        "http://a.example:80/x?A=1",
        "http://a.example:80/%78",
        "http://192.0.2.1:80/x",
        "http://[2001:db8::1]:80/x",
        "http://[::ffff:192.0.2.1]:80/x",
    ];
    for (at, one) in urls.iter().enumerate() {
        let one_permit = permit(one, "alice");
        let key = cache_key(&one_permit, &keyed);
        for (other_at, other) in urls.iter().enumerate() {
            let other_permit = permit(other, "bob");
            let other_key = cache_key(&other_permit, &keyed);
            assert_eq!(key.hash() == other_key.hash(), at == other_at, "{one} {other}");
            assert_eq!(key.to_stored().is_for(&other_key), at == other_at, "{one} {other}");
        }
    }
}

#[test]
fn n056_a_collision_of_hashes_is_no_match() {
    let keyed = Keyed::random().unwrap();
    let (one, other) = (permit("http://a.example:80/x", "-"), permit("http://a.example:80/y", "-"));
    let (one, other) = (cache_key(&one, &keyed), cache_key(&other, &keyed));
    let collided = StoredKey { hash: other.hash(), ..one.to_stored() };
    assert!(collided.hash() == other.hash() && !collided.is_for(&other));
}

#[test]
fn n095_a_sibling_has_the_hash_of_its_own_key() {
    let keyed = Keyed::random().unwrap();
    let (one, other) = (permit("http://a.example:80/x", "-"), permit("http://a.example:80/y?q", "-"));
    assert_eq!(hash_of(&keyed, one.target(), "/y?q"), cache_key(&other, &keyed).hash());
}

#[test]
fn x024_keys_are_hashed_under_a_key_of_the_process() {
    let permit = permit("http://a.example:80/x", "-");
    assert_ne!(cache_key(&permit, &Keyed::random().unwrap()).hash(), cache_key(&permit, &Keyed::random().unwrap()).hash());
}

/// D4: a query rule is for requests without credentials, whatever it would do to the credential.
#[test]
fn d4_a_query_rule_is_not_for_credentials() {
    let keyed = Keyed::random().unwrap();
    let (sent, plain) = (permit("http://a.example:80/x?b&access_token=1", "-"), permit("http://a.example:80/x", "-"));
    let rules = [Form::None, Form::Sorted, Form::Drop(vec![Parameter::parse("access_token").unwrap()])].map(QueryRule::new);
    for rule in &rules {
        for credentials in [true, false].map(|in_query| RequestCredentials { any: true, in_query }) {
            let path = KeyPath::of(sent.target(), rule, credentials);
            assert_eq!(path, KeyPath::AS_SENT, "{rule}");
            assert_eq!(CacheKey::new(&sent, &path, &keyed).hash(), cache_key(&sent, &keyed).hash());
        }
        let path = KeyPath::of(sent.target(), rule, RequestCredentials::default());
        assert_eq!(path.named(), Named { is_exact: false, rule: rule.mark() });
        let key = CacheKey::new(&sent, &path, &keyed);
        assert_eq!(key.hash(), hash_of(&keyed, sent.target(), path.of_target(sent.target())));
        assert!(key.to_stored().is_for(&key) && !key.to_stored().is_for(&cache_key(&sent, &keyed)));
        assert_eq!(key.target(), sent.target(), "what the origin gets");
    }
    let path = KeyPath::of(sent.target(), &rules[0], RequestCredentials::default());
    assert!(cache_key(&plain, &keyed).to_stored().is_for(&CacheKey::new(&sent, &path, &keyed)));
    let path = KeyPath::of(plain.target(), &rules[0], RequestCredentials::default());
    assert_eq!(path.named(), Named { is_exact: true, rule: rules[0].mark() });
    assert_eq!(KeyPath::of(sent.target(), &QueryRule::default(), RequestCredentials::default()), KeyPath::AS_SENT);
}
