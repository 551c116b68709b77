use super::*;
use crate::cache::tests::permit;

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
        let key = CacheKey::new(&one_permit, &keyed);
        for (other_at, other) in urls.iter().enumerate() {
            let other_permit = permit(other, "bob");
            let other_key = CacheKey::new(&other_permit, &keyed);
            assert_eq!(key.hash() == other_key.hash(), at == other_at, "{one} {other}");
            assert_eq!(key.to_stored().is_for(&other_key), at == other_at, "{one} {other}");
        }
    }
}

#[test]
fn n056_a_collision_of_hashes_is_no_match() {
    let keyed = Keyed::random().unwrap();
    let (one, other) = (permit("http://a.example:80/x", "-"), permit("http://a.example:80/y", "-"));
    let (one, other) = (CacheKey::new(&one, &keyed), CacheKey::new(&other, &keyed));
    let collided = StoredKey { hash: other.hash(), ..one.to_stored() };
    assert!(collided.hash() == other.hash() && !collided.is_for(&other));
}

#[test]
fn n095_a_sibling_has_the_hash_of_its_own_key() {
    let keyed = Keyed::random().unwrap();
    let (one, other) = (permit("http://a.example:80/x", "-"), permit("http://a.example:80/y?q", "-"));
    assert_eq!(CacheKey::new(&one, &keyed).sibling_hash(&keyed, "/y?q"), CacheKey::new(&other, &keyed).hash());
}

#[test]
fn x024_keys_are_hashed_under_a_key_of_the_process() {
    let permit = permit("http://a.example:80/x", "-");
    assert_ne!(
        CacheKey::new(&permit, &Keyed::random().unwrap()).hash(),
        CacheKey::new(&permit, &Keyed::random().unwrap()).hash()
    );
}
