//! The whole front desk: fields in, principal or rejection out.

mod client;
mod proofs;

use std::time::Duration;

use client::{Ask, Digester, Room, basic, sha256};
use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};

use super::*;
use crate::config::settings::{AuthScheme, DigestAlgorithm, ListenerAuth};
use crate::error::ClientError;

const SECRET: &str = "Basic YWxpY2U6c2VjcmV0";

#[tokio::test]
async fn a_listener_that_asks_nobody_admits_everybody() {
    let room = Room::new(|settings| settings.listeners[0].auth = ListenerAuth::None);
    let principal = room.ask(&Ask::get("/").field(PROXY_AUTHORIZATION, "nonsense \"")).await.unwrap();
    assert_eq!(principal, Principal { name: None, scheme: Scheme::None });
}

#[tokio::test]
async fn n019_n020_n149_missing_credentials_are_challenged_in_either_role() {
    for role in [ListenerAuth::Proxy, ListenerAuth::Origin] {
        let room = Room::new(|settings| settings.listeners[0].auth = role);
        let own = if role == ListenerAuth::Proxy { PROXY_AUTHORIZATION } else { AUTHORIZATION };
        let other = if role == ListenerAuth::Proxy { AUTHORIZATION } else { PROXY_AUTHORIZATION };
        for ask in [Ask::get("/"), Ask::get("/").field(other, SECRET)] {
            let rejection = room.ask(&ask).await.unwrap_err();
            assert_eq!((rejection.scheme, rejection.outcome), (Scheme::None, Outcome::Missing));
            assert_eq!(client::schemes(&rejection), ["Digest", "Basic"]);
        }
        let principal = room.ask(&Ask::get("/").field(own, SECRET)).await.unwrap();
        assert_eq!(principal, Principal { name: Some("alice".into()), scheme: Scheme::Basic });
    }
}

#[tokio::test]
async fn n138_n141_challenges_come_in_the_configured_order_one_algorithm_each() {
    let room = Room::new(|settings| {
        use DigestAlgorithm::{Md5, Sha256, Sha512_256};
        settings.auth.schemes = vec![AuthScheme::Basic, AuthScheme::Digest];
        settings.auth.digest.algorithms = vec![Sha512_256, Sha256, Sha512_256, Md5];
    });
    let rejection = room.ask(&Ask::get("/")).await.unwrap_err();
    assert_eq!(client::schemes(&rejection), ["Basic", "Digest", "Digest", "Digest"]);
    let lines = client::lines(&rejection);
    for (line, algorithm) in lines.iter().skip(1).zip(["SHA-512-256", "SHA-256", "MD5"]) {
        assert!(line.contains(&format!(", algorithm={algorithm}, nonce=\"")), "{line}");
    }
}

#[tokio::test]
async fn n152_md5_is_offered_and_taken_only_when_configured() {
    let room = Room::new(|_| ());
    assert!(!client::lines(&room.ask(&Ask::get("/")).await.unwrap_err()).concat().contains("MD5"));
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await.algorithm(DigestAlgorithm::Md5);
    let rejection = room.ask(&digester.get("/", 1)).await.unwrap_err();
    assert_eq!(rejection.outcome, Outcome::Malformed);
    let room = Room::new(|settings| settings.auth.digest.algorithms = vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5]);
    let digester = Digester::new(&room, DigestAlgorithm::Md5).await;
    assert!(room.ask(&digester.get("/", 1)).await.is_ok());
    assert!(room.ask(&digester.get("/", 2).without("algorithm=MD5, ")).await.is_ok());
}

#[tokio::test]
async fn a_scheme_without_users_is_not_offered() {
    let room = Room::new(|settings| settings.auth.digest.htdigest = None);
    assert_eq!(client::schemes(&room.ask(&Ask::get("/")).await.unwrap_err()), ["Basic"]);
    let rejection = room.ask(&Ask::get("/").credentials("Digest username=a")).await.unwrap_err();
    assert_eq!((rejection.scheme, rejection.outcome), (Scheme::Digest, Outcome::UnsupportedScheme));
    let room = Room::new(|settings| {
        settings.auth.digest.htdigest = None;
        settings.auth.basic.htpasswd = None;
    });
    assert_eq!(client::schemes(&room.ask(&Ask::get("/")).await.unwrap_err()), ["Digest", "Basic"]);
}

#[tokio::test]
async fn repeated_credential_fields_are_refused() {
    let room = Room::new(|_| ());
    let ask = Ask::get("/").credentials(SECRET).credentials(SECRET);
    let rejection = room.ask(&ask).await.unwrap_err();
    assert!(matches!(rejection.answer, Answer::Refuse(ClientError::RepeatedField("Proxy-Authorization"))));
}

#[tokio::test]
async fn n016_n018_what_does_not_parse_is_malformed_and_what_is_unknown_unsupported() {
    let room = Room::new(|_| ());
    let long = basic(&"u".repeat(8192), "x");
    let long_digest = format!("Digest username=\"{}\"", "u".repeat(8192));
    for (field, scheme, outcome) in [
        ("bASIC YWxpY2U6c2VjcmV0", Scheme::Basic, Outcome::Ok),
        ("Basic   YWxpY2U6c2VjcmV0", Scheme::Basic, Outcome::Ok),
        ("Basic", Scheme::Basic, Outcome::Malformed),
        ("Basic YWxpY2U6c2VjcmV0 x", Scheme::Basic, Outcome::Malformed),
        ("Basic YWxpY2U6c2VjcmV", Scheme::Basic, Outcome::Malformed),
        ("Basic YWxpY2U=", Scheme::Basic, Outcome::Malformed),
        ("Basic a=b", Scheme::Basic, Outcome::Malformed),
        ("Basic YWxpY2UK=", Scheme::Basic, Outcome::Malformed),
        ("Digest", Scheme::Digest, Outcome::Malformed),
        ("Digest abc=", Scheme::Digest, Outcome::Malformed),
        ("DIGEST username=\"", Scheme::Digest, Outcome::Malformed),
        ("Bearer abc", Scheme::None, Outcome::UnsupportedScheme),
        ("Negotiate", Scheme::None, Outcome::UnsupportedScheme),
        ("Basically YWxpY2U6c2VjcmV0", Scheme::None, Outcome::UnsupportedScheme),
        ("", Scheme::None, Outcome::Malformed),
        ("\"Basic\" x", Scheme::None, Outcome::Malformed),
        // T55: nobody's name is 8 KiB long, and the answer comes all the same.
        (&long, Scheme::Basic, Outcome::Malformed),
        (&long_digest, Scheme::Digest, Outcome::Malformed),
    ] {
        match room.ask(&Ask::get("/").credentials(field)).await {
            Ok(principal) => assert_eq!((principal.scheme, Outcome::Ok), (scheme, outcome), "{field}"),
            Err(rejection) => {
                assert_eq!((rejection.scheme, rejection.outcome), (scheme, outcome), "{field}");
                assert_eq!(client::schemes(&rejection), ["Digest", "Basic"], "{field}");
            }
        }
    }
    assert_eq!(room.hashed(), 2);
}

#[tokio::test]
async fn n136_preemptive_basic_credentials_are_judged() {
    let room = Room::new(|_| ());
    for (user, password, outcome) in [
        ("alice", "secret", Outcome::Ok),
        ("alice", "Secret", Outcome::WrongPassword),
        ("alice", "", Outcome::WrongPassword),
        ("Alice", "secret", Outcome::UnknownUser),
        ("", "secret", Outcome::UnknownUser),
        ("bob", "se:cret", Outcome::Ok),
    ] {
        let ask = Ask::get("/").credentials(&basic(user, password));
        let found = room.ask(&ask).await.map_or_else(|rejection| rejection.outcome, |_| Outcome::Ok);
        assert_eq!(found, outcome, "{user}:{password}");
    }
}

#[tokio::test]
async fn n010_a_verified_password_is_hashed_once_in_its_time() {
    let room = Room::new(|_| ());
    let ask = Ask::get("/").credentials(SECRET);
    for _ in 0..5 {
        assert_eq!(room.ask(&ask).await.unwrap().name.as_deref(), Some("alice"));
    }
    assert_eq!(room.hashed(), 1);
    room.clock.advance(Duration::from_secs(60));
    room.ask(&ask).await.unwrap();
    assert_eq!(room.hashed(), 2);
}

#[tokio::test]
async fn n023_a_verdict_is_not_shared_by_listeners() {
    let room = Room::new(|settings| settings.listeners.push(settings.listeners[0].clone()));
    let ask = Ask::get("/").credentials(SECRET);
    room.ask_at(0, &ask).await.unwrap();
    room.ask_at(1, &ask).await.unwrap();
    assert_eq!(room.hashed(), 2);
    // Nor is a nonce.
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    let rejection = room.ask_at(1, &digester.get("/", 1)).await.unwrap_err();
    assert_eq!(rejection.outcome, Outcome::StaleNonce);
}

#[tokio::test]
async fn t56_an_unknown_user_costs_a_hash_too() {
    let room = Room::new(|_| ());
    let ask = Ask::get("/").credentials(&basic("mallory", "secret"));
    assert_eq!(room.ask(&ask).await.unwrap_err().outcome, Outcome::UnknownUser);
    assert_eq!(room.hashed(), 1);
    // Refusals are not remembered.
    room.ask(&ask).await.unwrap_err();
    assert_eq!(room.hashed(), 2);
}

/// On one thread the fifty stand in line before the first verification begins.
#[tokio::test(flavor = "current_thread")]
async fn t52_fifty_requests_with_one_credential_are_one_computation() {
    let room = std::sync::Arc::new(Room::new(|_| ()));
    for (credential, outcome) in [(SECRET.to_owned(), Outcome::Ok), (basic("mallory", "x"), Outcome::UnknownUser)] {
        let before = room.hashed();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (room, ask) = (std::sync::Arc::clone(&room), Ask::get("/").credentials(&credential));
                tokio::spawn(async move { room.ask(&ask).await.map_or_else(|rejection| rejection.outcome, |_| Outcome::Ok) })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), outcome);
        }
        assert_eq!(room.hashed() - before, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t52_right_and_wrong_credentials_in_parallel_are_never_confused() {
    let room = std::sync::Arc::new(Room::new(|_| ()));
    let digester = std::sync::Arc::new(Digester::new(&room, DigestAlgorithm::Sha256).await);
    let tasks: Vec<_> = (1..=120_u32)
        .map(|nc| {
            let (room, digester) = (std::sync::Arc::clone(&room), std::sync::Arc::clone(&digester));
            tokio::spawn(async move {
                let right = room.ask(&digester.get("/", nc)).await;
                assert_eq!(right.unwrap().name.as_deref(), Some("alice"), "{nc}");
                let wrong = room.ask(&digester.with_password("wrong").get("/", nc)).await;
                assert_eq!(wrong.unwrap_err().outcome, Outcome::WrongPassword, "{nc}");
                let right = room.ask(&Ask::get("/").credentials(&basic("bob", "se:cret"))).await;
                assert_eq!(right.unwrap().name.as_deref(), Some("bob"), "{nc}");
                let wrong = room.ask(&Ask::get("/").credentials(&basic("bob", &format!("wrong{}", nc % 3)))).await;
                assert_eq!(wrong.unwrap_err().outcome, Outcome::WrongPassword, "{nc}");
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn t57_no_part_of_a_credential_shows_in_a_rejection() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    for ask in [
        Ask::get("/").credentials("Basic hunter2hunter2"),
        Ask::get("/").credentials(&basic("hunter2", "hunter2")),
        Ask::get("/").credentials("Digest username=hunter2"),
        Ask::get("/").credentials("hunter2 hunter2"),
        digester.with_user("hunter2").get("/", 1),
        digester.get("/hunter2", 1).path("/other"),
    ] {
        let text = format!("{:?}", room.ask(&ask).await.unwrap_err());
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert_eq!(format!("{:?}", room.authenticators[0]), "Authenticator { role: Proxy, .. }");
}

#[tokio::test]
async fn n145_n149_digest_is_accepted_for_every_spelling_of_the_target() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    // curl's way through a proxy: the path of an absolute target.
    assert!(room.ask(&digester.get("/a?b", 1)).await.is_ok());
    assert!(room.ask(&digester.get("http://example.com/a?b", 2).path("/a?b")).await.is_ok());
    assert!(room.ask(&digester.connect("example.com:443", 3)).await.is_ok());
    for ask in [
        digester.get("/a", 4).path("/b"),
        digester.get("http://example.org/a", 4).path("/a"),
        digester.connect("example.org:443", 4),
    ] {
        let rejection = room.ask(&ask).await.unwrap_err();
        assert_eq!(rejection.outcome, Outcome::UriMismatch);
        assert!(matches!(rejection.answer, Answer::Refuse(ClientError::DigestUri)));
    }
}

#[tokio::test]
async fn n143_t53_a_count_is_good_once_and_a_replay_gets_a_new_nonce() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    for nc in [2, 1, 3] {
        assert!(room.ask(&digester.get("/", nc)).await.is_ok(), "{nc}");
    }
    for nc in [2, 1, 3] {
        let rejection = room.ask(&digester.get("/", nc)).await.unwrap_err();
        assert_eq!(rejection.outcome, Outcome::Replayed);
        assert!(client::lines(&rejection)[0].ends_with(", stale=true"));
    }
}

#[tokio::test]
async fn n139_stale_is_said_only_when_the_digest_is_right() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    room.clock.advance(Duration::from_secs(301));
    for (ask, outcome, stale) in [
        (digester.get("/", 1), Outcome::StaleNonce, true),
        (digester.with_password("wrong").get("/", 1), Outcome::WrongPassword, false),
        (digester.with_user("mallory").get("/", 1), Outcome::UnknownUser, false),
        (digester.with_nonce("AAAA").get("/", 1), Outcome::StaleNonce, true),
        (digester.with_nonce("AAAA").with_password("wrong").get("/", 1), Outcome::WrongPassword, false),
    ] {
        let rejection = room.ask(&ask).await.unwrap_err();
        assert_eq!(rejection.outcome, outcome);
        assert_eq!(client::lines(&rejection)[0].contains("stale=true"), stale, "{outcome:?}");
        assert!(!client::lines(&rejection)[1].contains("stale"));
    }
    // The new nonce works, without anybody being asked for a password.
    assert!(room.ask(&Digester::new(&room, DigestAlgorithm::Sha256).await.get("/", 1)).await.is_ok());
}

#[tokio::test]
async fn n139_a_nonce_of_the_process_before_is_stale_not_foreign() {
    let digester = Digester::new(&Room::new(|_| ()), DigestAlgorithm::Sha256).await;
    assert_eq!(Room::new(|_| ()).ask(&digester.get("/", 1)).await.unwrap_err().outcome, Outcome::StaleNonce);
}

#[tokio::test]
async fn a_wrong_digest_uses_no_count_and_no_memory() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    for _ in 0..20 {
        room.ask(&digester.with_password("wrong").get("/", 1)).await.unwrap_err();
    }
    assert!(room.ask(&digester.get("/", 1)).await.is_ok());
}

#[tokio::test]
async fn n138_realm_and_opaque_come_back_as_they_were_given() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    let good = digester.get("/", 1);
    for (from, to) in [("opaque=\"", "opaque=\"x"), ("opaque=\"", "x=\""), ("realm=\"r", "realm=\"R"), ("realm=\"", "x=\"")] {
        let rejection = room.ask(&good.clone().replace(from, to)).await.unwrap_err();
        assert_eq!(rejection.outcome, Outcome::Malformed, "{to}");
    }
    assert!(room.ask(&good).await.is_ok());
}

#[tokio::test]
async fn n144_user_names_may_be_hashed_or_extended() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    let hash = sha256("alice:r \"q\"");
    for (nc, user) in [(1, format!("userhash=true, username=\"{hash}\"")), (2, "username*=UTF-8''alic%65".to_owned())] {
        let ask = digester.get("/", nc).replace("username=\"alice\"", &user);
        assert_eq!(room.ask(&ask).await.unwrap().name.as_deref(), Some("alice"), "{user}");
    }
    let both = digester.get("/", 3).replace("username=\"alice\"", "username=\"alice\", username*=UTF-8''alice");
    assert_eq!(room.ask(&both).await.unwrap_err().outcome, Outcome::Malformed);
    let unknown = digester.get("/", 3).replace("username=\"alice\"", &format!("userhash=true, username=\"{}\"", sha256("x")));
    assert_eq!(room.ask(&unknown).await.unwrap_err().outcome, Outcome::UnknownUser);
}

#[tokio::test]
async fn t53_every_doubled_digest_parameter_is_malformed() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    for name in ["username", "realm", "nonce", "uri", "response", "cnonce", "nc", "qop", "opaque", "algorithm"] {
        for again in [name.to_owned(), name.to_ascii_uppercase()] {
            for value in ["x", "\"\"", "00000001", "auth"] {
                let ask = digester.get("/", 1).append(&format!(", {again}={value}"));
                assert_eq!(room.ask(&ask).await.unwrap_err().outcome, Outcome::Malformed, "{again}={value}");
            }
        }
    }
    assert!(room.ask(&digester.get("/", 1)).await.is_ok());
}

#[tokio::test]
async fn the_built_in_user_is_known_to_both_schemes() {
    let room = Room::new(|settings| {
        settings.auth.basic.htpasswd = None;
        settings.auth.digest.htdigest = None;
        settings.auth.builtin_user = Some(crate::config::settings::BuiltinUser { name: "guest".into(), password: "pw".into() });
    });
    let principal = room.ask(&Ask::get("/").credentials(&basic("guest", "pw"))).await.unwrap();
    assert_eq!(principal, Principal { name: Some("guest".into()), scheme: Scheme::Basic });
    let rejection = room.ask(&Ask::get("/").credentials(&basic("guest", "pW"))).await.unwrap_err();
    assert_eq!(rejection.outcome, Outcome::WrongPassword);
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await.with_user("guest").with_password("pw");
    let principal = room.ask(&digester.get("/", 1)).await.unwrap();
    assert_eq!(principal, Principal { name: Some("guest".into()), scheme: Scheme::Digest });
}

#[test]
fn mistakes_of_both_password_files_are_reported_at_once() {
    let mut settings = client::settings();
    let folder = tempfile::tempdir().unwrap();
    settings.auth.basic.htpasswd = Some(folder.path().join("a"));
    settings.auth.digest.htdigest = Some(folder.path().join("b"));
    let message = client::load(&settings).unwrap_err();
    assert_eq!(message.lines().count(), 2, "{message}");
    assert!(message.contains("/a: cannot read the password file: ") && message.contains("/b: cannot read"));
}

#[test]
fn a_realm_that_no_field_can_carry_is_refused() {
    let mut settings = client::settings();
    settings.auth.realm = "a\nb".into();
    settings.auth.digest.htdigest = None;
    assert_eq!(
        client::load(&settings).unwrap_err(),
        "auth.realm: expected a realm without control characters; choose another one in auth.realm"
    );
}
