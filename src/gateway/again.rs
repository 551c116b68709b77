//! The way of a request whose head came a moment ago: to the answer that it was given then.
//!
//! RFC 9111 section 4 (when a stored response answers), RFC 9110 section 11.4 (credentials are judged on each request). All
//! that was decided on the ordinary way is decided again by comparison: the head is the same, credentials included, and so
//! are the configuration, the client's address where an access rule looks at it, what is stored, and the second. What is
//! asked each time anew is whether the user was revoked since, and of Digest credentials whether they prove who asks.

mod question;

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::Version;
use http::header::{self, HeaderValue};

use super::Gateway;
use super::exchange::Exchange;
use crate::access::Permit;
use crate::auth::{Authenticator, Scheme};
use crate::cache::entry::Head;
use crate::cache::lookup::Chosen;
use crate::cache::rules::canary::Share;
use crate::cache::store::StoredResponse;
use crate::clock::Clock;
use crate::config::settings::{Credentials, ListenerAuth};
use crate::policy::CompiledPolicy;
use crate::repeats::{After, Basis, Kept, Known, LONGEST_CONTENT, Name, Repeatable, Rest, Seconds, Written, first_slices};
use crate::reply;
use crate::server::Connection;
use question::Question;

/// What became of a head that may have come before.
pub enum Again {
    /// It was answered as before; what sending said, with what is still to be sent, and what becomes of the connection.
    Sent(io::Result<Option<Box<Rest>>>, After),
    /// It has to go the ordinary way, and its answer is worth keeping under this name.
    Wanted(Name),
    /// It has to go the ordinary way.
    Unknown,
}

impl Gateway {
    /// Answers a request that is `head` and nothing else as it was answered before, if it would be answered so again.
    ///
    /// `send` is given the answer, or the beginning of a long one, and gives back how many bytes it took.
    ///
    /// Source: RFC 9111 section 4.
    pub fn again(
        &self,
        place: (&Connection, usize),
        head: &[u8],
        send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Again {
        let (connection, listener) = place;
        // An origin may know who asks from the connection alone (RFC 4559 section 6), and a shadow looks at every request.
        if connection.pins.is_used() || self.shadow.is_some() || self.observer.records_traces() {
            return Again::Unknown;
        }
        let reader = self.authenticators.get(listener).filter(|one| one.reads_proxy_digest());
        let (question, value) = reader.map_or((Question::Whole(head), None), |_| Question::of(head));
        let now = self.clock.now();
        let light = self.repeats.light(&question);
        let hash = || self.question_hash(place, &question);
        let Some(mut table) = self.repeats.table() else { return Again::Unknown };
        match table.look(light, hash, now) {
            Known::Answer(kept) => {
                let started = Clock::instant();
                if self.stands(kept)
                    && brought_up(kept, now)
                    && let Some(content) = kept.content()
                {
                    // Last of all: a right proof is used by this.
                    if !is_proven(kept, reader.zip(value), now) {
                        return Again::Unknown;
                    }
                    let sent = self.give(kept, content, (connection.peer.ip(), now, started), send);
                    return Again::Sent(sent, kept.repeatable.basis.after);
                }
            }
            Known::Asked => return Again::Wanted(Name { light, hash: hash() }),
            Known::Nothing => return Again::Unknown,
        }
        table.forget(light);
        Again::Wanted(Name { light, hash: hash() })
    }

    /// Gives an answer to `send`, and records it if that is the end of it.
    fn give(
        &self,
        kept: &Kept,
        content: Option<Arc<StoredResponse>>,
        (client, now, started): (IpAddr, SystemTime, Instant),
        send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Option<Box<Rest>>> {
        let sent = match &content {
            None => send(&[IoSlice::new(&kept.bytes)]),
            Some(stored) => {
                let (slices, count) = first_slices(&kept.bytes, stored);
                send(slices.get(..count).unwrap_or_default())
            }
        };
        let (record, content_bytes) = (&kept.repeatable.record, content.as_deref().map_or(0, |stored| stored.content().length()));
        if sent.as_ref().is_ok_and(|sent| *sent as u64 == kept.bytes.len() as u64 + content_bytes) {
            self.observer.repeated(record, client, now, started);
            return Ok(None);
        }
        let finish = self.observer.repeating(record, client, now, started);
        let mut rest = Box::new(Rest::new(Bytes::copy_from_slice(&kept.bytes), content, record.bytes, finish));
        rest.advance(sent?);
        Ok(Some(rest))
    }

    /// Keeps an answer that was offered to be given again, as it was written.
    pub fn keep(&self, name: Name, repeatable: Box<Repeatable>, written: Written) {
        let Written { bytes, beyond } = written;
        // Content that was not copied is all of what is stored.
        let is_stored = |stored: Arc<StoredResponse>| stored.content().length() == beyond && beyond == repeatable.record.bytes;
        let is_long = beyond > 0;
        if is_long && !repeatable.basis.stored.upgrade().is_some_and(is_stored) {
            return;
        }
        let copied_bytes = repeatable.record.bytes - beyond;
        if let Some(mut table) = self.repeats.table()
            && let Some((head, after)) = head_of(&bytes, copied_bytes)
            && after == repeatable.basis.after
        {
            let seconds = places_of_seconds(head);
            let Name { light, hash } = name;
            table.keep(light, Kept { repeatable, hash, bytes, is_long, seconds }, self.clock.now());
        }
    }

    fn question_hash(&self, (connection, listener): (&Connection, usize), question: &Question<'_>) -> u128 {
        let mut hash = self.keyed.start("head");
        question.add_to(hash.number(listener as u64));
        if self.access.names_networks() {
            hash.part(connection.address.as_bytes());
        }
        hash.finish()
    }

    /// Would the same be answered now?
    fn stands(&self, kept: &Kept) -> bool {
        let Repeatable { basis, record } = &*kept.repeatable;
        let is_revoked = |name| self.operator_refuses(name);
        self.memory.standing(basis.key) == basis.standing && !record.principal.as_deref().is_some_and(is_revoked)
    }

    fn operator_refuses(&self, name: &str) -> bool {
        self.authenticators.first().is_some_and(|one| one.revocations().has(name))
    }
}

impl Exchange {
    /// Notes that its answer from what is stored may be given again, if that is so.
    pub(super) fn note_repeatable(&mut self, (permit, policy): (&Permit, &CompiledPolicy), chosen: &Chosen) {
        if !self.connection.repetition.is_wanted() {
            return;
        }
        let (Some(standing), Some(key)) = (self.standing, self.record.url_hash) else { return };
        // Parts of an answer to a range are told apart by a boundary that is never the same twice.
        let is_plain = chosen.stale.is_none() && !self.has_content && !self.fields.contains_key(header::RANGE);
        let Some(after) = self.wanted_after().filter(|_| self.version == Version::HTTP_11) else { return };
        let is_drawn = policy.settings.canary > Share::NONE;
        let is_long = chosen.stored.content().length() > LONGEST_CONTENT;
        if !is_plain || is_long || is_drawn || self.connection.pins.is_used() {
            return;
        }
        let (Some(until), Some(end)) = (fresh_second(&chosen.head, self.now), self.end_of_repeats(&policy.settings.credentials))
        else {
            return;
        };
        // A request with bounds of its own on age and freshness is held against them each second.
        let is_bounded = self.fields.contains_key(header::CACHE_CONTROL) || self.fields.contains_key(header::PRAGMA);
        let end = if is_bounded { end.min(until) } else { end };
        let (permit, head, stored) = (permit.clone(), Arc::clone(&chosen.head), Arc::downgrade(&chosen.stored));
        self.basis = Some(Basis { permit, key, standing, head, stored, from: self.now, until, end, after });
    }

    /// What the request wants to become of the connection; none where it says anything else about it.
    ///
    /// Source: RFC 9112 section 9.3.
    fn wanted_after(&self) -> Option<After> {
        let is = |value: &HeaderValue, word: &[u8]| value.as_bytes().eq_ignore_ascii_case(word);
        let mut values = self.fields.get_all(header::CONNECTION).iter();
        match (values.next(), values.next()) {
            (None, _) => Some(After::Stay),
            (Some(value), None) if is(value, b"keep-alive") => Some(After::Stay),
            (Some(value), None) if is(value, b"close") => Some(After::Close),
            _ => None,
        }
    }

    /// When the ordinary way has to be taken again at the latest: credentials are looked at, and the store sees a use.
    ///
    /// None where each use of the credentials counts and nobody looks at it before an answer is given again.
    ///
    /// Source: RFC 7616 section 3.4: a nonce count is used once.
    fn end_of_repeats(&self, listed: &Credentials) -> Option<SystemTime> {
        let end = self.now.checked_add(REPEAT_TIME)?;
        match (self.record.judged, self.record.auth.0) {
            (false, _) => Some(end),
            (true, Scheme::Basic) => {
                let authenticator = self.gateway.authenticators.get(self.record.listener)?;
                Some(end.min(authenticator.remembers_until(&self.fields)?))
            }
            // Unless the policy takes the value itself for somebody's.
            (true, Scheme::Digest) => {
                let is_proxy = self.listener().auth == ListenerAuth::Proxy;
                (is_proxy && !listed.headers.contains(&header::PROXY_AUTHORIZATION)).then_some(end)
            }
            (true, _) => None,
        }
    }
}

/// How long an answer is given again without the ordinary way.
const REPEAT_TIME: Duration = Duration::from_secs(8);

const SECOND: Duration = Duration::from_secs(1);

/// Is who asks the one who was answered? What was answered to Digest credentials is given to a proof by the same user alone.
///
/// Source: RFC 7616 section 3.4.
fn is_proven(kept: &Kept, proof: Option<(&Authenticator, &[u8])>, now: SystemTime) -> bool {
    let Repeatable { basis, record } = &*kept.repeatable;
    match (record.auth.0, proof) {
        (Scheme::Digest, Some((reader, value))) => {
            let name = basis.permit.principal().name.as_deref();
            name.is_some_and(|name| reader.is_proven_again(value, name, (&record.method, basis.permit.target()), now))
        }
        (Scheme::Digest, None) | (_, Some(_)) => false,
        (_, None) => true,
    }
}

/// Does the answer say what it would say now? Where only the second is another one, it counts on.
///
/// Source: RFC 9111 sections 4.2 and 5.1.
fn brought_up(kept: &mut Kept, now: SystemTime) -> bool {
    let basis = &kept.repeatable.basis;
    if now < basis.until {
        return true;
    }
    let head = Arc::clone(&basis.head);
    let is_fresh = kept.seconds.is_some() && !head.fresh_for(now).is_zero();
    let (Some(age), Some(ttl), Some(until)) = (head.current_age(now), reply::ttl(&head, now), fresh_second(&head, now)) else {
        return false;
    };
    if is_fresh {
        kept.count(age.as_secs(), ttl);
        kept.repeatable.basis.until = until;
    }
    is_fresh
}

/// Where a head of ours counts seconds. The last `Cache-Status` is ours: caches between the origin and us stand in front.
///
/// Source: RFC 9111 section 5.1, RFC 9211 sections 2 and 2.5.
fn places_of_seconds(head: &[u8]) -> Option<Seconds> {
    let age = digits_after(head, b"\r\nage: ")?;
    let ttl = digits_after(head, b"\r\ncache-status: vouchsafe; hit; ttl=")?;
    (age.end < ttl.start).then_some(Seconds { age, ttl })
}

fn digits_after(bytes: &[u8], name: &[u8]) -> Option<Range<usize>> {
    let start = memchr::memmem::rfind(bytes, name)? + name.len();
    let length = bytes.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (length > 0).then_some(start..start + length)
}

/// Until when a fresh response answers the same request the same way: `Age` counts whole seconds, and every bound that a
/// request sets, on the age or on the freshness that is left, is a number of them.
///
/// Source: RFC 9111 sections 4.2, 5.1 and 5.2.1.
fn fresh_second(head: &Head, now: SystemTime) -> Option<SystemTime> {
    let left = |duration: Duration| match duration.subsec_nanos() {
        0 => SECOND,
        nanos => Duration::from_nanos(nanos.into()),
    };
    let to_next_age = SECOND.checked_sub(Duration::from_nanos(head.current_age(now)?.subsec_nanos().into()))?;
    now.checked_add(to_next_age.min(left(head.fresh_for(now))))
}

/// The head, without the empty line, of one response with content of that length, and what it says of the connection.
///
/// Source: RFC 9112 sections 2.1 and 9.6.
fn head_of(bytes: &[u8], content_bytes: u64) -> Option<(&[u8], After)> {
    let length = bytes.len().checked_sub(usize::try_from(content_bytes).ok()?)?;
    let head = bytes.get(..length)?.strip_suffix(b"\r\n\r\n")?;
    if !head.starts_with(b"HTTP/1.1 ") || memchr::memmem::find(head, b"\r\n\r\n").is_some() {
        return None;
    }
    let name = |line: &[u8]| line.get(..11).is_some_and(|name| name.eq_ignore_ascii_case(b"connection:"));
    let mut said = head.split(|byte| *byte == b'\n').filter(|line| name(line)).map(<[u8]>::trim_ascii);
    match (said.next(), said.next()) {
        (None, _) => Some((head, After::Stay)),
        (Some(b"connection: close"), None) => Some((head, After::Close)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
