//! Proofs for whom an answer is kept: of that user, for that target, by that method, and used by this alone.

use http::Method;

use super::client::{Digester, Room};
use crate::config::settings::DigestAlgorithm;

#[tokio::test]
async fn x029_a_proof_is_of_one_user_for_one_target_and_used_once() {
    let room = Room::new(|_| ());
    let digester = Digester::new(&room, DigestAlgorithm::Sha256).await;
    let ask = digester.get("/", 1);
    for (what, other) in [
        ("another method", ask.clone().method(Method::HEAD)),
        ("another target", ask.clone().path("/other")),
        ("a wrong password", digester.with_password("wrong").get("/", 1)),
        ("another user's", digester.with_user("bob").get("/", 1)),
        ("another scheme", ask.clone().replace("Digest", "Basic")),
        ("less than a proof", ask.clone().without("qop=auth, ")),
        ("another realm", ask.clone().replace("realm=\"r", "realm=\"s")),
        ("a nonce of nobody's", digester.with_nonce("AAAA").get("/", 1)),
    ] {
        assert!(!room.is_proven_again(&other, "alice"), "{what}");
    }
    assert!(!room.is_proven_again(&ask, "bob"), "alice's");
    assert!(room.is_proven_again(&ask, "alice"), "none of these used it");
    assert!(!room.is_proven_again(&ask, "alice"), "and this did");
    assert!(room.ask(&ask).await.is_err(), "elsewhere too");
    assert!(room.ask(&digester.get("/", 2)).await.is_ok());
    assert!(!room.is_proven_again(&digester.get("/", 2), "alice"), "what was used elsewhere");
}
