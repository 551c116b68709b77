use super::*;
use crate::access::Permit;
use crate::cache::tests::{Given, Lines, policy, stored_for};
use crate::config::settings::Policy;
use crate::gateway::Step;
use crate::gateway::tests::{exchange, gateway_to};
use crate::policy::CompiledPolicy;

/// A request that was looked up and has not boarded yet.
struct Held {
    exchange: Exchange,
    permit: Permit,
    way: Way,
    decision: Decision,
}

impl Held {
    fn begin(gateway: &Arc<Gateway>, fields: Lines<'_>) -> Self {
        let mut exchange = exchange(gateway, fields);
        let Ok(Step::Board(permit, way, decision)) = gateway.enter(&mut exchange) else { panic!("it was answered") };
        Self { exchange, permit, way, decision }
    }

    /// Boards; gives back what it goes on with, and itself.
    async fn board(mut self, gateway: &Gateway) -> (Decision, Exchange) {
        let key = self.way.key(&self.permit, &gateway.keyed);
        match gateway.board(&mut self.exchange, &key, &self.way, self.decision).await {
            Boarded::Goes(decision) => (decision, self.exchange),
            Boarded::Answered(_) => panic!("nobody else is on the way"),
        }
    }

    /// Does it find somebody to wait for?
    fn follows(&self, gateway: &Gateway) -> bool {
        let key = self.way.key(&self.permit, &gateway.keyed);
        let group = gateway.group_of(&self.exchange, &key, &self.way, &self.decision).unwrap();
        matches!(gateway.join(&self.exchange, group, &key, &self.decision), Role::Follower(_))
    }

    /// Another response to its target is stored.
    fn is_overtaken(&self, gateway: &Gateway, request: Lines<'_>, response: Lines<'_>) {
        let policy = CompiledPolicy { fingerprint: self.way.policy.fingerprint, ..policy(Policy::default()) };
        let head = Given { request, response, policy, ..Given::default() }.judge().unwrap();
        let stored = stored_for(head, &gateway.keyed, request);
        let key = self.way.key(&self.permit, &gateway.keyed).to_stored();
        gateway.memory.insert(&key, &stored, 32, gateway.memory.epoch());
    }
}

const TAGGED: (&str, &str) = ("etag", "\"1\"");
const ENGLISH: (&str, &str) = ("accept-language", "en");
const FRENCH: (&str, &str) = ("accept-language", "fr");

/// RFC 9111 section 4: what came between look-up and boarding answers, and where it does not, those who know it fly together.
#[tokio::test]
async fn n063_who_was_overtaken_before_boarding_looks_again() {
    let word = |decision: &Decision| match decision {
        Decision::Serve(_) => "serve",
        Decision::Validate(..) => "validate",
        Decision::Forward(reason) => reason.as_str(),
        _ => "other",
    };
    for (response, expected, leads) in [
        (None, "uri-miss", true),
        (Some(&[("cache-control", "max-age=60"), TAGGED][..]), "serve", false),
        (Some(&[("cache-control", "s-maxage=0"), TAGGED]), "validate", true),
        (Some(&[("cache-control", "max-age=60"), ("vary", "accept-language")]), "vary-miss", true),
    ] {
        let gateway = gateway_to("http://origin.test");
        let held = Held::begin(&gateway, &[FRENCH]);
        assert_eq!(word(&held.decision), "uri-miss");
        if let Some(response) = response {
            held.is_overtaken(&gateway, &[ENGLISH], response);
        }
        let (decision, exchange) = held.board(&gateway).await;
        assert_eq!((word(&decision), exchange.lead.is_some()), (expected, leads), "{response:?}");
        assert_eq!(gateway.flights.count(), usize::from(leads), "{response:?}");
        // Who looks up only now flies with it.
        if leads {
            assert!(Held::begin(&gateway, &[FRENCH]).follows(&gateway), "{response:?}");
        }
    }
}

/// Otherwise an origin that takes more than half of the wait would be asked once by everybody whom `Vary` tells apart.
#[test]
fn each_response_head_is_waited_for_in_full_and_a_failure_gives_no_more_time() {
    let (start, wait) = (Clock::instant(), Duration::from_secs(1));
    let at = |millis| start + Duration::from_millis(millis);
    let mut patience = Patience::new(wait, start);
    assert!(patience.waits_again(FollowerOutcome::HandedOver, at(600)));
    assert_eq!(patience.deadline, at(1_000));
    assert!(patience.waits_again(FollowerOutcome::Regrouped, at(900)));
    assert_eq!(patience.deadline, at(1_900));
    for outcome in [FollowerOutcome::Released, FollowerOutcome::Shared, FollowerOutcome::TimedOut] {
        assert!(!patience.waits_again(outcome, at(950)), "{outcome:?}");
    }
    let again: Vec<bool> = (0..3).map(|_| patience.waits_again(FollowerOutcome::Regrouped, at(1_000))).collect();
    assert_eq!(again, [true, true, false]);
}
