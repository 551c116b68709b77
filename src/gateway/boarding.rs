//! Boarding a flight: a request that would go to the origin waits for an equal one that is on its way there.
//!
//! RFC 9111 section 4: a response may answer several requests where it may be reused for each. RFC 9211 section 2.6.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Response;
use tokio::time::timeout_at;

use super::exchange::Exchange;
use super::{Gateway, Way};
use crate::body::Body;
use crate::cache::entry::Head;
use crate::cache::flights::{Arriving, Confirmation, Flight, Group, Lead, Role, State, Worth};
use crate::cache::key::CacheKey;
use crate::cache::lookup::Decision;
use crate::cache::rules::collapse::{may_follow, may_lead, validation_class};
use crate::cache::rules::reuse::WhyValidate;
use crate::cache::store::{FilledBy, Standing, Subject};
use crate::cache::{CacheResult, FollowerOutcome, ForwardReason};
use crate::clock::Clock;
use crate::config::settings::PolicyAuthorization;
use crate::reply::{self, CacheStatus, Shown};

/// How often a request may find that the flight it joined is for others.
const MOST_REGROUPINGS: usize = 3;

/// What came of waiting.
pub(super) enum Boarded {
    /// Another request's response answers.
    Answered(Box<Response<Body>>),
    /// The request goes its own way; others may wait for it.
    Goes(Decision),
}

/// What a follower does next.
enum Next {
    Answer(Box<Response<Body>>),
    Join(Group, FollowerOutcome),
    Go(FollowerOutcome),
}

/// How long a request still waits.
struct Patience {
    wait: Duration,
    deadline: Instant,
    regroupings: usize,
}

/// Has nothing changed between two looks? Groups are made of what is compared here, and of the request.
fn is_same(before: &Decision, now: &Decision) -> bool {
    match (before, now) {
        (Decision::Forward(one), Decision::Forward(other)) => one == other && *one != ForwardReason::VaryMiss,
        (Decision::Validate(one, why), Decision::Validate(other, still)) => {
            Arc::ptr_eq(&one.stored, &other.stored) && why == still
        }
        _ => false,
    }
}

impl Patience {
    fn new(wait: Duration, now: Instant) -> Self {
        Self { wait, deadline: now + wait, regroupings: 0 }
    }

    /// Does it wait once more after this? A response that was for others is a sign of life, and the next one has its full
    /// time, a bounded number of times; a leader's failure gives nobody more.
    fn waits_again(&mut self, outcome: FollowerOutcome, now: Instant) -> bool {
        match outcome {
            FollowerOutcome::Regrouped => {
                (self.deadline, self.regroupings) = (now + self.wait, self.regroupings + 1);
                self.regroupings <= MOST_REGROUPINGS
            }
            FollowerOutcome::HandedOver => true,
            FollowerOutcome::Released | FollowerOutcome::Shared | FollowerOutcome::TimedOut => false,
        }
    }
}

impl Gateway {
    /// Waits, at most `collapse_wait` for a response head, for the response that an equal request is fetching.
    ///
    /// Each follower takes the whole reuse decision for itself. Whom the response is not for goes on at once, in parallel with
    /// all others, with its own credentials.
    ///
    /// Source: RFC 9111 section 4.
    pub(super) async fn board(&self, exchange: &mut Exchange, key: &CacheKey<'_>, way: &Way, mut decision: Decision) -> Boarded {
        let Some(mut group) = self.group_of(exchange, key, way, &decision) else { return Boarded::Goes(decision) };
        // Who leads at once waits for nobody.
        let (mut patience, mut looked_in) = (None, exchange.standing.take());
        let new = || Patience::new(self.settings.cache.collapse_wait, Clock::instant());
        loop {
            let flight = match self.join(exchange, group, key, &decision) {
                Role::Alone => return Boarded::Goes(decision),
                Role::Leader(lead) => {
                    let before = (decision, looked_in.take());
                    let (now, belongs_to) = self.look_before_leading(exchange, (key, group), way, before, lead);
                    let Some(other) = belongs_to else { return Boarded::Goes(now) };
                    if !patience.get_or_insert_with(new).waits_again(FollowerOutcome::Regrouped, Clock::instant()) {
                        return Boarded::Goes(now);
                    }
                    (decision, group) = (now, other);
                    continue;
                }
                Role::Follower(flight) => flight,
            };
            looked_in = None;
            let patience = patience.get_or_insert_with(new);
            // Boxed: who waits for nobody does not carry the state of waiting about.
            let next = Box::pin(self.wait(exchange, (key, group), way, &decision, (&flight, patience.deadline))).await;
            let outcome = match next {
                Next::Answer(response) => {
                    self.observer.metrics().follower(FollowerOutcome::Shared);
                    return Boarded::Answered(response);
                }
                Next::Join(other, outcome) => {
                    group = other;
                    outcome
                }
                Next::Go(outcome) => outcome,
            };
            self.observer.metrics().follower(outcome);
            if !patience.waits_again(outcome, Clock::instant()) {
                // What is stored may be another response by now.
                return Boarded::Goes(self.look_up(exchange, key, way));
            }
        }
    }

    /// Leads, or finds that there is nothing to lead: between look-up and boarding another flight may have landed. Who waits
    /// then looks into the store, and so does this request, unless nothing was stored since it `looked_in`.
    ///
    /// Gives back what is to be done now, and the other group that this request belongs to by what it found, if it does.
    fn look_before_leading(
        &self,
        exchange: &mut Exchange,
        (key, group): (&CacheKey<'_>, Group),
        way: &Way,
        (before, looked_in): (Decision, Option<Standing>),
        lead: Lead,
    ) -> (Decision, Option<Group>) {
        if looked_in == Some(self.memory.standing(key.hash())) {
            exchange.lead = Some(lead);
            return (before, None);
        }
        let decision = self.look_up(exchange, key, way);
        let belonged_to = || self.group_of(exchange, key, way, &before);
        let belongs_to = match self.group_of(exchange, key, way, &decision) {
            // Where another flight sent it, that is its group still.
            now if is_same(&before, &decision) || now == belonged_to() => Some(group),
            now => now,
        };
        if belongs_to == Some(group) {
            exchange.lead = Some(lead);
            return (decision, None);
        }
        lead.stored();
        (decision, belongs_to)
    }

    /// Waits for what a flight has to say, and draws the conclusion for this request.
    async fn wait(
        &self,
        exchange: &mut Exchange,
        (key, group): (&CacheKey<'_>, Group),
        way: &Way,
        decision: &Decision,
        (flight, deadline): (&Flight, Instant),
    ) -> Next {
        let waiting = self.observer.metrics().waiting();
        let outcome = timeout_at(deadline.into(), flight.outcome()).await;
        drop(waiting);
        exchange.now = self.clock.now();
        exchange.has_waited = true;
        match outcome {
            Ok(state) => self.after_waiting(exchange, (key, group), way, decision, (flight, state)),
            Err(_) => Next::Go(FollowerOutcome::TimedOut),
        }
    }

    /// With whom this request may fly; none if it goes by itself.
    ///
    /// Source: RFC 9111 sections 4, 4.1 and 4.3.
    fn group_of(&self, exchange: &Exchange, key: &CacheKey<'_>, way: &Way, decision: &Decision) -> Option<Group> {
        let settings = &way.policy.settings;
        let is_never_stored =
            exchange.credentials.in_query || exchange.credentials.any && settings.authorization == PolicyAuthorization::Never;
        let is_waiting = !self.settings.cache.collapse_wait.is_zero();
        let is_known = exchange.connection.pins.is_used();
        if !is_waiting || is_known || is_never_stored || !may_follow(&exchange.method, &exchange.fields, &exchange.directives) {
            return None;
        }
        let all = self.whole_group(exchange, key);
        match decision {
            Decision::Forward(ForwardReason::UriMiss | ForwardReason::Miss) => Some(all),
            Decision::Forward(ForwardReason::VaryMiss) | Decision::Offer(_) => {
                let slot = self.memory.find(key);
                let names =
                    slot.as_ref().and_then(|slot| slot.variants_for(exchange.sight()).next()).map(|stored| stored.vary_names());
                Some(names.map_or(all, |names| all.of_variant(&self.keyed, names, &exchange.fields, settings.vary_normalise)))
            }
            Decision::Validate(chosen, WhyValidate::Stale | WhyValidate::NoCache) if settings.share_validations => {
                let class = validation_class(&self.keyed, &exchange.method, &exchange.fields);
                Some(all.of_validation(chosen.stored.variant(), class))
            }
            Decision::Forward(_)
            | Decision::Validate(..)
            | Decision::Serve(_)
            | Decision::ServeAndValidate(_)
            | Decision::Refuse => None,
        }
    }

    /// All requests for a key that one response may answer. Where a query rule keeps other targets there too, those with
    /// credentials are by themselves: what answers them answers no other target.
    ///
    /// Source: RFC 9111 section 4.
    pub(super) fn whole_group(&self, exchange: &Exchange, key: &CacheKey<'_>) -> Group {
        let all = Group::of_key(key, exchange.partition, exchange.credentials.any);
        if exchange.named.rule.is_some() { all.of_uncredentialed(&self.keyed) } else { all }
    }

    fn join(&self, exchange: &Exchange, group: Group, key: &CacheKey<'_>, decision: &Decision) -> Role {
        let leads =
            matches!(decision, Decision::Validate(..)) || may_lead(&exchange.method, &exchange.fields, &exchange.directives);
        let role = self.flights.join(group, key, leads, (self.memory.epoch(), exchange.now));
        match role {
            // RFC 9111 section 4.4: what was asked for before an invalidation is not for who comes after it.
            Role::Follower(flight) if self.memory.was_invalidated(key.hash(), flight.epoch()) => Role::Alone,
            role => role,
        }
    }

    fn after_waiting(
        &self,
        exchange: &mut Exchange,
        (key, group): (&CacheKey<'_>, Group),
        way: &Way,
        decision: &Decision,
        (flight, state): (&Flight, State),
    ) -> Next {
        match state {
            State::Arriving(arriving) => {
                let settings = &way.policy.settings;
                let is_invalid = self.memory.was_invalidated(key.hash(), flight.epoch())
                    || self.memory.groups().has_invalidated(key.origin(), &arriving.head)
                    || self.was_withdrawn(key, &[arriving.filled_by], &arriving.head);
                match arriving.worth(&exchange.asked(), &self.keyed, &way.policy) {
                    Worth::Answers if !is_invalid => self
                        .share(exchange, &arriving, decision)
                        .map_or(Next::Go(FollowerOutcome::Released), |response| Next::Answer(Box::new(response))),
                    Worth::OtherVariant => {
                        let all = self.whole_group(exchange, key);
                        let names = &arriving.vary_names;
                        let own = all.of_variant(&self.keyed, names, &exchange.fields, settings.vary_normalise);
                        Next::Join(own, FollowerOutcome::Regrouped)
                    }
                    Worth::Answers | Worth::Nothing => Next::Go(FollowerOutcome::Released),
                }
            }
            State::Confirmed(confirmation) => match decision {
                Decision::Validate(chosen, _)
                    if std::sync::Arc::ptr_eq(&chosen.stored, &confirmation.chosen.stored)
                        && !self.memory.was_invalidated(key.hash(), flight.epoch())
                        && !self.was_withdrawn(key, chosen.stored.fillers(), &confirmation.chosen.head) =>
                {
                    Next::Answer(Box::new(self.share_confirmed(exchange, &confirmation)))
                }
                _ => Next::Go(FollowerOutcome::Released),
            },
            State::Abandoned | State::Waiting => Next::Join(group, FollowerOutcome::HandedOver),
            // What credentials make unfit for sharing may be fit without.
            State::Released if flight.is_credentialed() && !exchange.credentials.any => {
                Next::Join(group.of_uncredentialed(&self.keyed), FollowerOutcome::Regrouped)
            }
            State::Released | State::Stored => Next::Go(FollowerOutcome::Released),
        }
    }

    /// Whether the operator withdrew it while this request waited, or before.
    fn was_withdrawn(&self, key: &CacheKey<'_>, filled_by: &[FilledBy], head: &Head) -> bool {
        self.memory.was_withdrawn(&Subject { key: key.located(), filled_by, head })
    }

    /// Answers with a response while it arrives; none when its beginning is gone.
    ///
    /// Source: RFC 9111 section 4, RFC 9211 section 2.6.
    fn share(&self, exchange: &mut Exchange, arriving: &Arriving, decision: &Decision) -> Option<Response<Body>> {
        let content = arriving.content()?;
        let word = reply::permit_word(&arriving.head);
        exchange.note_cache(CacheResult::Collapsed, word);
        let fwd = match decision {
            Decision::Forward(reason) => *reason,
            Decision::Offer(_) => ForwardReason::VaryMiss,
            Decision::Serve(_) | Decision::ServeAndValidate(_) | Decision::Validate(..) | Decision::Refuse => {
                ForwardReason::Stale
            }
        };
        let status = CacheStatus {
            fwd: Some(fwd),
            ttl: reply::ttl(&arriving.head, exchange.now),
            collapsed: Some(true),
            detail: Some(word),
            ..CacheStatus::default()
        };
        let via = self.pseudonym.via(http::Version::HTTP_11);
        Some(reply::arriving(&arriving.head, content, &exchange.reply_asked(&via), status))
    }

    /// Answers from the store as the leader of an equal validation was answered.
    ///
    /// Source: RFC 9111 section 4.3.3, RFC 9211 section 2.6.
    fn share_confirmed(&self, exchange: &mut Exchange, confirmation: &Confirmation) -> Response<Body> {
        let Confirmation { chosen, detail, is_aged, response_time } = confirmation;
        exchange.note_cache(CacheResult::Validated, detail);
        exchange.note_shown(&chosen.head, chosen.stored.content().length());
        let status = CacheStatus {
            fwd: Some(ForwardReason::Stale),
            ttl: reply::ttl(&chosen.head, *response_time),
            collapsed: Some(true),
            detail: Some(detail),
            ..CacheStatus::default()
        };
        let via = self.pseudonym.via(http::Version::HTTP_11);
        let asked = reply::Asked { now: *response_time, ..exchange.reply_asked(&via) };
        reply::stored(chosen, Shown::Validated { is_aged: *is_aged }, &asked, status)
    }
}

#[cfg(test)]
mod tests;
