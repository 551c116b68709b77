use std::task::{Context, Poll, Waker};

use super::*;
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::partition::{Identity, Sight};
use crate::cache::rules::query::Named;
use crate::cache::rules::reuse::Asker;
use crate::cache::tests::{ALICE, Given, anonymous, at, cache_control, entry, key as cache_key, permit, policy, stored_for};
use crate::config::settings::{Policy, PolicyAuthorization};
use crate::policy::Candidates;

struct Field {
    flights: Arc<Flights>,
    keyed: Keyed,
}

impl Field {
    fn new() -> Self {
        Self { flights: Flights::new(), keyed: Keyed::random().unwrap() }
    }

    fn join(&self, path: &str, credentialed: bool, may_lead: bool, seconds: u64) -> Role {
        let permit = permit(&format!("http://a.example:80{path}"), "-");
        let key = cache_key(&permit, &self.keyed);
        self.flights.join(Group::of_key(&key, Partition::Common, credentialed), &key, may_lead, (0, at(seconds)))
    }

    fn lead(&self, path: &str) -> Lead {
        match self.join(path, true, true, 0) {
            Role::Leader(lead) => lead,
            Role::Follower(_) | Role::Alone => panic!("expected to lead {path}"),
        }
    }

    fn follow(&self, path: &str) -> Arc<Flight> {
        match self.join(path, false, true, 0) {
            Role::Follower(flight) => flight,
            Role::Leader(_) | Role::Alone => panic!("expected to follow {path}"),
        }
    }
}

fn filled_by() -> FilledBy {
    FilledBy { identity: Identity { class: 1, principal: 2 }, asked: 0 }
}

fn word(role: &Role) -> &'static str {
    match role {
        Role::Leader(_) => "leads",
        Role::Follower(_) => "follows",
        Role::Alone => "alone",
    }
}

fn outcome(flight: &Flight) -> Option<State> {
    let mut outcome = std::pin::pin!(flight.outcome());
    match outcome.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(state) => Some(state),
        Poll::Pending => None,
    }
}

#[test]
fn n063_one_leads_others_follow_and_each_key_flies_apart() {
    let field = Field::new();
    assert_eq!(word(&field.join("/x", false, false, 0)), "alone", "who may not lead waits for nobody");
    let lead = field.lead("/x");
    assert_eq!((word(&field.join("/x", false, false, 0)), word(&field.join("/x", true, true, 0))), ("follows", "follows"));
    let other = field.lead("/y");
    assert_eq!(field.flights.count(), 2);
    drop((lead, other));
    assert_eq!((field.flights.count(), word(&field.join("/x", true, true, 0))), (0, "leads"));
}

#[test]
fn n063_a_leader_that_leaves_without_a_word_hands_over() {
    let field = Field::new();
    let lead = field.lead("/x");
    let (early, late) = (field.follow("/x"), field.follow("/x"));
    assert!(outcome(&early).is_none());
    drop(lead);
    for flight in [early, late] {
        assert!(matches!(outcome(&flight), Some(State::Abandoned)));
    }
    assert_eq!(word(&field.join("/x", false, true, 0)), "leads", "its failure is nobody else's");
}

#[test]
fn n063_what_is_not_for_sharing_is_remembered_for_its_kind_and_a_while() {
    let field = Field::new();
    let lead = field.lead("/x");
    let flight = field.follow("/x");
    lead.release(Some(at(0)));
    assert!(matches!(outcome(&flight), Some(State::Released)));
    assert_eq!(word(&field.join("/x", true, true, 59)), "alone");
    assert_eq!(word(&field.join("/x", false, true, 59)), "leads", "without credentials it may be");
    assert_eq!(word(&field.join("/y", true, true, 59)), "leads");
    assert_eq!(word(&field.join("/x", true, true, 60)), "leads");
    let refused = field.lead("/z");
    refused.release(None);
    assert_eq!(word(&field.join("/z", true, true, 0)), "leads", "a refusal says nothing of the key");
    let permit = permit("http://a.example:80/x", "-");
    field.flights.note_shared(Group::of_key(&cache_key(&permit, &field.keyed), Partition::Common, true));
    assert_eq!(word(&field.join("/x", true, true, 0)), "leads", "stored after all");
}

#[test]
fn n063_who_comes_while_content_arrives_reads_it_from_the_beginning_or_not_at_all() {
    let field = Field::new();
    let lead = field.lead("/x");
    let transfer = Transfer::new();
    let own = arriving(anonymous("max-age=60"), Partition::Common);
    lead.arriving(Arriving { transfer: Arc::clone(&transfer), ..own });
    transfer.push("a".into());
    let flight = field.follow("/x");
    let Some(State::Arriving(arriving)) = outcome(&flight) else { panic!("expected an arriving response") };
    let (mut reader, _) = arriving.content().unwrap();
    assert!(matches!(reader.poll_chunk(&mut Context::from_waker(Waker::noop())), Poll::Ready(Some(Ok(chunk))) if chunk == "a"));
    transfer.let_go();
    assert!(arriving.content().is_none(), "its beginning is gone");
    lead.stored();
    assert!(matches!(outcome(&flight), Some(State::Arriving(_))), "who knows it keeps it");
    assert_eq!(field.flights.count(), 0);
}

#[test]
fn n063_flights_of_variants_and_validations_are_apart() {
    let field = Field::new();
    let permit = permit("http://a.example:80/x", "-");
    let key = cache_key(&permit, &field.keyed);
    let all = Group::of_key(&key, Partition::Common, false);
    let named = |value: &'static str| {
        let request = crate::cache::tests::fields(&[("a", value)]);
        all.of_variant(&field.keyed, &[HeaderName::from_static("a")], &request, true)
    };
    let groups = [
        all,
        named("1"),
        named("2"),
        all.of_validation(1, 2),
        all.of_validation(2, 1),
        all.of_uncredentialed(&field.keyed),
        Group::of_key(&key, Partition::Credential(1), false),
        Group::of_key(&key, Partition::Principal(2), false),
        Group::of_key(&key, Partition::Principal(2), false).of_validation(1, 2),
    ];
    for (at, group) in groups.iter().enumerate() {
        assert!(!groups[..at].contains(group), "{at}");
    }
    assert_eq!(named("1"), named("1"));
}

/// A response without `Vary` whose content has not come yet.
fn arriving(head: Head, partition: Partition) -> Arriving {
    let (vary_names, transfer) = (Vec::new(), Transfer::new());
    Arriving { head, vary_names, variant: 0, filled_by: filled_by(), partition, transfer, length: None }
}

/// What the leader was given says nothing of the follower: it asks what it would ask of a stored response.
#[test]
fn n054_a_follower_takes_the_whole_reuse_decision() {
    let keyed = Keyed::random().unwrap();
    let of_alice = |cache_control| entry(&[ALICE], &[("cache-control", cache_control), ("etag", "\"a\"")]);
    let refusal = Given { status: 403, response: &[("cache-control", "max-age=60")], ..Given::default() }.judge().unwrap();
    let never = Policy { authorization: PolicyAuthorization::Never, ..Policy::default() };
    let fields = HeaderMap::new();
    for (head, says, settings, expected) in [
        (of_alice("public, max-age=60"), "", Policy::default(), Worth::Answers),
        (anonymous("max-age=60"), "", Policy::default(), Worth::Answers),
        (Head { permission: None, ..of_alice("public, max-age=60") }, "", Policy::default(), Worth::Nothing),
        (of_alice("public, max-age=60"), "", never, Worth::Nothing),
        (of_alice("s-maxage=0"), "", Policy::default(), Worth::Nothing),
        (of_alice("public, no-cache"), "", Policy::default(), Worth::Nothing),
        (of_alice("public, max-age=60"), "no-cache", Policy::default(), Worth::Nothing),
        (refusal, "", Policy::default(), Worth::Nothing),
    ] {
        let directives = RequestDirectives::parse(&cache_control(says));
        let asker = Asker { directives: &directives, credentialed: true, now: at(1), candidates: Candidates::NONE };
        let partition = Partition::Common;
        let asked = Asked { method: &http::Method::GET, fields: &fields, has_content: false, sight: partition.into(), asker };
        let case = format!("{:?} {says:?}", head.directives);
        assert_eq!(arriving(head, partition).worth(&asked, &keyed, &policy(settings)), expected, "{case}");
    }
}

/// RFC 9111 section 3.5 lets this response answer everybody; the operator narrows it.
#[test]
fn d6_what_arrives_for_one_partition_answers_no_other() {
    let keyed = Keyed::random().unwrap();
    let own = Partition::Principal(1);
    let arriving = arriving(anonymous("max-age=60"), own);
    let (fields, directives) = (HeaderMap::new(), RequestDirectives::default());
    for (partition, expected) in [
        (own, Worth::Answers),
        (Partition::Principal(2), Worth::Nothing),
        (Partition::Credential(1), Worth::Nothing),
        (Partition::Common, Worth::Nothing),
    ] {
        let asker = Asker { directives: &directives, credentialed: false, now: at(1), candidates: Candidates::NONE };
        let asked = Asked { method: &http::Method::GET, fields: &fields, has_content: false, sight: partition.into(), asker };
        assert_eq!(arriving.worth(&asked, &keyed, &policy(Policy::default())), expected, "{partition:?}");
    }
}

/// D4: what another target than its key filled is for who has the same rule, and no credentials.
#[test]
fn d4_what_arrives_for_another_target_answers_no_credentials() {
    let keyed = Keyed::random().unwrap();
    let (own, other) = (Named { is_exact: true, rule: Some(1) }, Named { is_exact: false, rule: Some(1) });
    let (fields, directives) = (HeaderMap::new(), RequestDirectives::default());
    for (filled, named, expected) in [
        (other, other, Worth::Answers),
        (other, own, Worth::Answers),
        (other, Named::EXACT, Worth::Nothing),
        (other, Named { rule: Some(2), ..other }, Worth::Nothing),
        (own, Named::EXACT, Worth::Answers),
        (Named::EXACT, other, Worth::Nothing),
    ] {
        let arriving = arriving(Head { named: filled, ..anonymous("max-age=60") }, Partition::Common);
        let asker = Asker { directives: &directives, credentialed: false, now: at(1), candidates: Candidates::NONE };
        let sight = Sight { named, ..Sight::default() };
        let asked = Asked { method: &http::Method::GET, fields: &fields, has_content: false, sight, asker };
        assert_eq!(arriving.worth(&asked, &keyed, &policy(Policy::default())), expected, "{filled:?} {named:?}");
    }
}

#[test]
fn n063_a_confirmation_is_made_for_who_waits() {
    let field = Field::new();
    field.lead("/x").confirmed(|| panic!("nobody waits"));
    assert_eq!((field.flights.count(), word(&field.join("/x", true, true, 0))), (0, "leads"));
    let lead = field.lead("/x");
    let flight = field.follow("/x");
    let stored = stored_for(anonymous("s-maxage=0"), &field.keyed, &[]);
    let chosen = Chosen { head: stored.head(), stored, stale: None, is_alone: true };
    lead.confirmed(|| Confirmation { chosen, detail: "validated", is_aged: false, response_time: at(0) });
    assert!(matches!(outcome(&flight), Some(State::Confirmed(_))));
}
