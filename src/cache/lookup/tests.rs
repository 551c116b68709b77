use super::*;
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::partition::Partition;
use crate::cache::tests::{
    ALICE, DATE, Given, Lines, Random, anonymous, at, credentialed, entry, fields, key as cache_key, permit, policy, secs,
    stored_for,
};
use crate::config::settings::{AnonymousEntries, Policy};
use crate::policy::Candidates;

/// A slot whose variants were filled by these requests.
fn slot(keyed: &Keyed, variants: Vec<(Head, Lines<'_>)>) -> Option<Slot> {
    let permit = permit("http://a.example:80/x", "-");
    let key = cache_key(&permit, keyed).to_stored();
    let mut stored = variants.into_iter().map(|(head, request)| stored_for(head, keyed, request));
    let first = Slot::new(key, stored.next()?);
    Some(stored.fold(first, |slot, stored| slot.with(stored, 64)))
}

struct Case<'a> {
    method: &'a str,
    request: Lines<'a>,
    has_content: bool,
    seconds: u64,
    partition: Partition,
    settings: Policy,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            method: "GET",
            request: &[],
            has_content: false,
            seconds: 1,
            partition: Partition::Common,
            settings: Policy::default(),
        }
    }
}

impl Case<'_> {
    fn decide(&self, slot: Option<&Slot>, keyed: &Keyed) -> Decision {
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let fields = fields(self.request);
        let directives = RequestDirectives::parse(&fields);
        let credentialed = fields.contains_key("authorization");
        let asker = Asker { directives: &directives, credentialed, now: at(self.seconds), candidates: Candidates::NONE };
        let asked =
            Asked { method: &method, fields: &fields, has_content: self.has_content, sight: self.partition.into(), asker };
        decide(slot, &asked, keyed, &policy(self.settings.clone()))
    }

    /// The decision for one entry that varies on nothing, in a word.
    fn word(&self, head: Head) -> String {
        let keyed = Keyed::random().unwrap();
        word(&self.decide(slot(&keyed, vec![(head, &[])]).as_ref(), &keyed))
    }
}

fn word(decision: &Decision) -> String {
    match decision {
        Decision::Serve(chosen) if chosen.stale.is_some() => "stale".to_owned(),
        Decision::Serve(_) => "serve".to_owned(),
        Decision::ServeAndValidate(chosen) => chosen.stale.unwrap().as_str().to_owned(),
        Decision::Validate(_, why) => format!("validate {why:?}"),
        Decision::Offer(offered) => format!("offer {}", offered.len()),
        Decision::Forward(reason) => reason.as_str().to_owned(),
        Decision::Refuse => "refuse".to_owned(),
    }
}

#[test]
fn x023_each_reason_to_forward_has_its_word() {
    let keyed = Keyed::random().unwrap();
    assert_eq!(word(&Case::default().decide(None, &keyed)), "uri-miss");
    let fresh = || anonymous("max-age=60");
    let bypass = Policy { bypass: true, ..Policy::default() };
    let anonymous_bypass = Policy { anonymous_entries: AnonymousEntries::Bypass, ..Policy::default() };
    for (case, expected) in [
        (Case::default(), "serve"),
        (Case { method: "HEAD", ..Case::default() }, "serve"),
        (Case { method: "POST", ..Case::default() }, "method"),
        (Case { method: "OPTIONS", ..Case::default() }, "method"),
        (Case { method: "get", ..Case::default() }, "method"),
        (Case { has_content: true, ..Case::default() }, "bypass"),
        (Case { settings: bypass, ..Case::default() }, "bypass"),
        (Case { settings: anonymous_bypass, request: &[ALICE], ..Case::default() }, "bypass"),
        (Case { request: &[("if-match", "\"a\"")], ..Case::default() }, "request"),
        (Case { request: &[("if-unmodified-since", DATE.1)], ..Case::default() }, "request"),
        (Case { seconds: 61, ..Case::default() }, "validate Stale"),
        (Case { seconds: 61, request: &[("cache-control", "max-stale")], ..Case::default() }, "stale"),
        (Case { request: &[("cache-control", "no-cache")], ..Case::default() }, "validate Request"),
    ] {
        assert_eq!(case.word(fresh()), expected, "{} {:?}", case.method, case.request);
    }
    assert_eq!(Case::default().word(Head { permission: None, ..credentialed("public, max-age=60") }), "miss");
}

#[test]
fn x029_stale_at_once_where_the_origin_can_be_asked_behind() {
    const WHILE: &str = "stale-while-revalidate";
    for (method, request, expected) in [
        ("GET", &[][..], WHILE),
        ("HEAD", &[], WHILE),
        ("GET", &[ALICE], WHILE),
        ("HEAD", &[ALICE, ("range", "bytes=0-1")], WHILE),
        ("GET", &[("authorization", "Digest a")], WHILE),
        ("HEAD", &[("authorization", "Digest a")], "validate Stale"),
        ("GET", &[("authorization", "Negotiate a")], "validate Stale"),
        ("GET", &[("cache-control", "no-cache")], "validate Request"),
        ("GET", &[("cache-control", "no-store")], "validate Request"),
        ("GET", &[("cache-control", "max-age=90")], "validate Stale"),
        // It answers, and nothing is asked for its sake.
        ("GET", &[("cache-control", "only-if-cached")], "stale"),
        ("GET", &[("cache-control", "only-if-cached"), ("authorization", "NTLM a")], "refuse"),
        ("GET", &[("if-match", "\"a\"")], "request"),
    ] {
        let case = Case { method, request, seconds: 61, ..Case::default() };
        assert_eq!(case.word(anonymous("max-age=60, stale-while-revalidate=600")), expected, "{method} {request:?}");
    }
    let validating = Policy { anonymous_entries: AnonymousEntries::Validate, ..Policy::default() };
    let case = Case { request: &[ALICE], seconds: 61, settings: validating, ..Case::default() };
    assert_eq!(case.word(anonymous("max-age=60, stale-while-revalidate=600")), "validate Policy");
    let unpermitted = Head { permission: None, ..credentialed("public, max-age=60, stale-while-revalidate=600") };
    assert_eq!(Case { seconds: 61, ..Case::default() }.word(unpermitted), "miss");
}

#[test]
fn n057_n119_an_entry_of_get_answers_get_and_head() {
    for method in ["GET", "HEAD"] {
        assert_eq!(Case { method, ..Case::default() }.word(anonymous("max-age=60")), "serve", "{method}");
    }
}

#[test]
fn n101_only_if_cached_is_a_stored_answer_or_a_refusal() {
    const OIC: Lines<'_> = &[("cache-control", "only-if-cached")];
    let keyed = Keyed::random().unwrap();
    assert_eq!(word(&Case { request: OIC, ..Case::default() }.decide(None, &keyed)), "refuse");
    assert_eq!(Case { request: OIC, ..Case::default() }.word(anonymous("max-age=60")), "serve");
    assert_eq!(Case { request: OIC, seconds: 61, ..Case::default() }.word(anonymous("max-age=60")), "refuse");
    assert_eq!(Case { request: OIC, ..Case::default() }.word(anonymous("no-cache")), "refuse");
    let bypass = Policy { bypass: true, ..Policy::default() };
    assert_eq!(Case { request: OIC, settings: bypass, ..Case::default() }.word(anonymous("max-age=60")), "refuse");
    // T47: what others may not see is not betrayed either.
    assert_eq!(
        Case { request: OIC, ..Case::default() }.word(Head { permission: None, ..credentialed("public, max-age=60") }),
        "refuse"
    );
}

#[test]
fn n062_unsafe_requests_are_written_through_whatever_they_say() {
    let case = Case { method: "POST", request: &[("cache-control", "only-if-cached")], ..Case::default() };
    assert_eq!(case.word(anonymous("max-age=60")), "method");
}

/// The `x` field of the chosen response.
fn chosen(decision: Decision) -> Option<String> {
    match decision {
        Decision::Serve(chosen) | Decision::ServeAndValidate(chosen) | Decision::Validate(chosen, _) => {
            Some(chosen.head.fields.get("x").unwrap().to_str().unwrap().to_owned())
        }
        Decision::Offer(_) | Decision::Forward(_) | Decision::Refuse => None,
    }
}

fn variant(mark: &str, vary: Option<&str>, date: &str) -> Head {
    let mut lines = vec![("cache-control", "max-age=600"), ("x", mark), ("date", date)];
    lines.extend(vary.map(|vary| ("vary", vary)));
    entry(&[], &lines)
}

const EARLIER: &str = "Fri, 15 Jan 2027 07:59:50 GMT";

#[test]
fn n058_n066_the_variant_whose_fields_match_is_chosen() {
    let keyed = Keyed::random().unwrap();
    let slot = slot(
        &keyed,
        vec![
            (variant("de", Some("accept-language"), DATE.1), &[("accept-language", "de")]),
            (variant("en", Some("accept-language"), DATE.1), &[("accept-language", "en")]),
            (variant("none", Some("accept-language"), DATE.1), &[]),
            (variant("both", Some("cookie, accept"), EARLIER), &[("accept", "a"), ("cookie", "s=1")]),
        ],
    );
    for (request, expected) in [
        (&[("accept-language", "de")][..], Some("de")),
        (&[("accept-language", "en")], Some("en")),
        (&[], Some("none")),
        (&[("accept-language", "fr")], None),
        (&[("accept-language", "fr"), ("accept", "a"), ("cookie", "s=1")], Some("both")),
        (&[("accept-language", "fr"), ("accept", "a"), ("cookie", "s=2")], None),
        (&[("accept-language", "fr"), ("cookie", "s=1")], None),
    ] {
        let case = Case { request, ..Case::default() };
        assert_eq!(chosen(case.decide(slot.as_ref(), &keyed)).as_deref(), expected, "{request:?}");
    }
    let case = Case { request: &[("accept-language", "fr")], ..Case::default() };
    assert_eq!(word(&case.decide(slot.as_ref(), &keyed)), "vary-miss");
}

#[test]
fn n058_every_line_of_a_field_counts() {
    let keyed = Keyed::random().unwrap();
    let slot = slot(&keyed, vec![(variant("a", Some("cookie"), DATE.1), &[("cookie", "a=1"), ("cookie", "s=alice")])]);
    let other = Case { request: &[("cookie", "a=1"), ("cookie", "s=mallory")], ..Case::default() };
    assert_eq!(word(&other.decide(slot.as_ref(), &keyed)), "vary-miss");
}

#[test]
fn n064_of_several_that_match_the_newest_by_date_is_chosen() {
    let keyed = Keyed::random().unwrap();
    let newer = || variant("newer", Some("accept"), DATE.1);
    let older = || variant("older", Some("accept-language"), EARLIER);
    for variants in [vec![(newer(), &[][..]), (older(), &[])], vec![(older(), &[]), (newer(), &[])]] {
        let slot = slot(&keyed, variants);
        assert_eq!(chosen(Case::default().decide(slot.as_ref(), &keyed)).as_deref(), Some("newer"));
    }
    // Received later, generated earlier: Date decides.
    let mut late = older();
    late.age.response_time = at(0) + secs(1);
    let slot = slot(&keyed, vec![(newer(), &[]), (late, &[])]);
    assert_eq!(chosen(Case::default().decide(slot.as_ref(), &keyed)).as_deref(), Some("newer"));
}

#[test]
fn n069_a_variant_with_vary_goes_before_a_newer_one_without() {
    let keyed = Keyed::random().unwrap();
    let slot =
        slot(&keyed, vec![(variant("plain", None, DATE.1), &[]), (variant("vary", Some("accept"), EARLIER), &[("accept", "a")])]);
    let of = |request| chosen(Case { request, ..Case::default() }.decide(slot.as_ref(), &keyed));
    assert_eq!(of(&[("accept", "a")]).as_deref(), Some("vary"));
    assert_eq!(of(&[("accept", "b")]).as_deref(), Some("plain"));
}

/// What a 304 says of others beside it is not looked for then.
#[test]
fn n046_what_has_its_key_alone_is_told_from_what_has_others_beside_it() {
    let keyed = Keyed::random().unwrap();
    let plain = || (variant("plain", None, DATE.1), &[][..]);
    let other: (Head, Lines<'_>) = (variant("other", Some("accept"), EARLIER), &[("accept", "a")]);
    for (variants, is_alone) in [(vec![plain()], true), (vec![plain(), other], false)] {
        let decision = Case::default().decide(slot(&keyed, variants).as_ref(), &keyed);
        assert!(matches!(&decision, Decision::Serve(chosen) if chosen.is_alone == is_alone), "{decision:?}");
    }
}

#[test]
fn n054_property_nobody_is_served_or_validated_from_what_was_not_permitted() {
    let mut random = Random::new();
    let keyed = Keyed::random().unwrap();
    for _ in 0..2_000 {
        let value =
            random.pick(&["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=5", "s-maxage=0", "public, no-cache"]);
        let slot = slot(&keyed, vec![(Head { permission: None, ..credentialed(value) }, &[])]);
        let asked = random.pick(&["max-stale", "max-age=9", "only-if-cached", "no-cache", "x"]);
        let mut request = vec![("cache-control", asked)];
        if random.coin() {
            request.push(ALICE);
        }
        let case =
            Case { request: &request, method: random.pick(&["GET", "HEAD"]), seconds: random.next() % 100, ..Case::default() };
        let decision = case.decide(slot.as_ref(), &keyed);
        assert!(matches!(decision, Decision::Forward(ForwardReason::Miss) | Decision::Refuse), "{value} {asked} {decision:?}");
    }
}

#[test]
fn t01_what_alice_filled_without_permission_is_not_stored_for_the_anonymous() {
    let given = |request| Given { request, response: &[("cache-control", "max-age=60")], ..Given::default() }.judge();
    assert!(given(&[ALICE]).is_err() && given(&[]).is_ok());
}

#[test]
fn n079_strong_tags_are_offered_where_no_variant_matches() {
    let keyed = Keyed::random().unwrap();
    let tagged = |language: &'static str, tag: &'static str| {
        let lines = [("cache-control", "max-age=60"), ("vary", "accept-language"), ("etag", tag)];
        (entry(&[], &lines), language)
    };
    let variants: [(Head, &str); 3] = [tagged("de", "\"a\""), tagged("en", "\"b\""), tagged("it", "W/\"c\"")];
    let lines = variants.each_ref().map(|(_, language)| [("accept-language", *language)]);
    let heads = variants.map(|(head, _)| head);
    let slot = slot(&keyed, heads.into_iter().zip(&lines).map(|(head, lines)| (head, &lines[..])).collect());
    for (case, expected) in [
        (Case { request: &[("accept-language", "fr")], ..Case::default() }, "offer 2"),
        (Case { request: &[("accept-language", "fr"), ALICE], ..Case::default() }, "vary-miss"),
        (Case { request: &[("accept-language", "fr"), ("range", "bytes=0-0")], ..Case::default() }, "vary-miss"),
        (Case { request: &[("accept-language", "fr"), ("cache-control", "only-if-cached")], ..Case::default() }, "refuse"),
    ] {
        assert_eq!(word(&case.decide(slot.as_ref(), &keyed)), expected, "{:?}", case.request);
    }
}

const OWN: Partition = Partition::Credential(1);
const OTHERS: [Partition; 4] = [Partition::Common, Partition::Credential(2), Partition::Principal(1), Partition::Principal(2)];

/// Also where the policy was another one when the response was stored: the kinds of partition never meet.
#[test]
fn d15_what_another_partition_has_is_not_there() {
    let keyed = Keyed::random().unwrap();
    let fill = |partition| {
        let head = anonymous("max-age=60");
        let stored = Arc::into_inner(stored_for(head, &keyed, &[])).unwrap().within(partition);
        Slot::new(cache_key(&permit("http://a.example:80/x", "-"), &keyed).to_stored(), Arc::new(stored))
    };
    let asks = [&[][..], &[("cache-control", "max-stale")], &[("if-none-match", "\"a\"")], &[("cache-control", "no-cache")]];
    for (partition, request) in OTHERS.into_iter().flat_map(|partition| asks.map(|request| (partition, request))) {
        for seconds in [1, 100] {
            let slot = fill(OWN);
            let case = Case { request, seconds, partition, ..Case::default() };
            assert_eq!(word(&case.decide(Some(&slot), &keyed)), "uri-miss", "{partition:?} {request:?}");
            let slot = fill(partition);
            let case = Case { request, seconds, partition: OWN, ..Case::default() };
            assert_eq!(word(&case.decide(Some(&slot), &keyed)), "uri-miss", "{partition:?} {request:?}");
        }
    }
    let case = Case { partition: OWN, ..Case::default() };
    assert_eq!(word(&case.decide(Some(&fill(OWN)), &keyed)), "serve");
    let case = Case { partition: OWN, request: &[("cache-control", "only-if-cached")], ..Case::default() };
    assert_eq!(word(&case.decide(Some(&fill(Partition::Common)), &keyed)), "refuse");
}

/// A partition narrows: whatever is answered, validated or offered is the asker's own, and would be so without partitions.
#[test]
fn d4_property_a_partition_only_narrows() {
    let (mut random, keyed) = (Random::new(), Keyed::random().unwrap());
    let permit = permit("http://a.example:80/x", "-");
    let key = cache_key(&permit, &keyed).to_stored();
    let mut answered = [0; 2];
    for _ in 0..3_000 {
        let mut fill = || {
            let value =
                random.pick(&["public, max-age=60", "s-maxage=0", "public, no-cache", "public, stale-while-revalidate=60"]);
            let vary = random.pick(&["", "x-v", "x-w"]);
            let request = [("x-v", random.pick(&["1", "2"])), ALICE];
            let request = if random.coin() { &request[..] } else { &request[..1] };
            let head = entry(request, &[("cache-control", value), ("vary", vary), ("etag", "\"a\""), DATE]);
            let partition = OTHERS.into_iter().chain([OWN]).nth(random.below(5)).unwrap();
            Arc::new(Arc::into_inner(stored_for(head, &keyed, request)).unwrap().within(partition))
        };
        let slot = (0..6).fold(Slot::new(key.clone(), fill()), |slot, _| slot.with(fill(), 64));
        let request = [("x-v", random.pick(&["1", "2", "3"])), ALICE];
        let request = if random.coin() { &request[..] } else { &request[..1] };
        let case = Case { request, seconds: random.next() % 120, partition: OWN, ..Case::default() };
        let decision = case.decide(Some(&slot), &keyed);
        let own: Vec<_> = slot.variants_for(OWN.into()).cloned().collect();
        let chosen = match &decision {
            Decision::Serve(chosen) | Decision::ServeAndValidate(chosen) | Decision::Validate(chosen, _) => vec![chosen.clone()],
            Decision::Offer(offered) => offered.clone(),
            Decision::Forward(_) | Decision::Refuse => Vec::new(),
        };
        answered[usize::from(chosen.is_empty())] += 1;
        assert!(chosen.iter().all(|chosen| own.iter().any(|stored| Arc::ptr_eq(stored, &chosen.stored))), "{decision:?}");
        // The same of the asker's own alone, in a store without partitions.
        let undivided = |stored: &Arc<StoredResponse>| {
            let names = stored.vary_names().to_vec();
            Arc::new(StoredResponse::new((*stored.head()).clone(), names, stored.variant(), stored.content().clone()))
        };
        let mut own = own.iter().map(undivided);
        let alone = own.next().map(|first| own.fold(Slot::new(key.clone(), first), |slot, stored| slot.with(stored, 64)));
        let without = Case { partition: Partition::Common, request, seconds: case.seconds, ..Case::default() };
        assert_eq!(word(&without.decide(alone.as_ref(), &keyed)), word(&decision));
    }
    assert!(answered.iter().all(|count| *count > 300), "{answered:?}");
}
