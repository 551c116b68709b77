//! What the model learns from what the origin said.

use super::Model;
use crate::engine::{Given, How};
use crate::known::{Known, Settled, overlaid, settled};
use crate::origin::{Answer, Exchange};
use crate::reading::{has, varies};
use crate::step::{Lines, PATHS, Request, is_credentialed, line};

impl Model {
    pub(super) fn learn(&mut self, request: &Request, given: &Given, exchange: &Exchange, answer: &Answer) {
        if !["GET", "HEAD", "OPTIONS"].contains(&request.method) && (200..400).contains(&answer.status) {
            self.invalidate(request.path, &answer.fields);
        }
        match (request.method, answer.status) {
            (_, 304) if [How::Confirmed, How::Selected, How::Settled].contains(&given.how) => {
                self.freshen(request, given, exchange, answer);
            }
            (_, 304) => {}
            ("HEAD", _) => self.describe(request, exchange, answer),
            _ => self.remember(request, given, exchange, answer),
        }
    }

    /// RFC 9111 section 4.4: the target, and what `Location` and `Content-Location` name of the same origin.
    fn invalidate(&mut self, path: usize, fields: &Lines) {
        let mut paths = vec![PATHS[path]];
        for reference in ["location", "content-location"].iter().filter_map(|name| line(fields, name)) {
            let own = ["http://origin.example:80", "http://origin.example"].iter().find_map(|own| reference.strip_prefix(own));
            paths.extend(own.or(reference.starts_with('/').then_some(reference)));
        }
        for known in self.known.iter_mut().filter(|known| paths.contains(&PATHS[known.path])) {
            known.gone = known.gone.or(Some("n094: older than an unsafe request"));
        }
    }

    /// RFC 9111 section 3: a new response.
    fn remember(&mut self, request: &Request, given: &Given, exchange: &Exchange, answer: &Answer) {
        let mut new = Known::new(request, exchange, answer, (self.operator, self.policy));
        // A refusal of a validation is for its asker alone.
        if answer.status == 403 && given.validated.is_some() {
            new.gone = new.gone.or(Some("n002: a refused validation"));
        }
        if new.gone.is_none() {
            for known in self.known.iter_mut().filter(|known| known.is_replaced_by(&new)) {
                known.is_sure = false;
            }
        }
        self.known.push(new);
    }

    /// RFC 9111 section 4.3.4: a 304 changes what it confirms; what it takes back is taken back.
    fn freshen(&mut self, request: &Request, given: &Given, exchange: &Exchange, answer: &Answer) {
        let Ok(at) = self.find(request, given.validated.as_deref(), given) else { return };
        let (operator, policy) = (self.operator, self.policy);
        let known = &self.known[at];
        let merged = overlaid(&known.fields, &answer.fields);
        let (is_selected, alike) = (given.how == How::Selected, self.alike(at));
        let is_doubtful = is_selected && !alike.is_empty();
        let all: Vec<usize> = std::iter::once(at).chain(alike).collect();
        let known = &mut self.known[at];
        match settled(known, request, &merged, operator) {
            Settled::Fresh if is_doubtful => {
                let mut fresh = known.clone();
                fresh.freshen(request, exchange, merged, policy);
                self.freshen_one_of(&all, &fresh);
                self.known.push(Known { asked: request.fields.clone(), ..fresh });
            }
            Settled::Fresh if is_selected => {
                known.freshen(request, exchange, merged, policy);
                let selected = Known { asked: request.fields.clone(), ..known.clone() };
                self.known.push(selected);
            }
            Settled::Outdated | Settled::Gone if is_doubtful => all.iter().for_each(|at| self.known[*at].is_sure = false),
            Settled::Fresh => known.freshen(request, exchange, merged, policy),
            Settled::Left => {}
            Settled::Outdated => known.is_outdated = true,
            Settled::Gone => known.gone = Some("a 304 took it back"),
        }
        if !is_selected {
            self.freshen_beside(at, request, exchange, answer);
        }
    }

    /// RFC 9111 section 4.3.4: and all others that "could have been chosen for that request" and have its strong tag.
    fn freshen_beside(&mut self, at: usize, request: &Request, exchange: &Exchange, answer: &Answer) {
        let (operator, policy, path, named) = (self.operator, self.policy, request.path, line(&answer.fields, "etag"));
        let is_meant =
            |known: &Known| known.path == path && known.gone.is_none() && named.is_some() && line(&known.fields, "etag") == named;
        for (_, known) in self.known.iter_mut().enumerate().filter(|(other, known)| *other != at && is_meant(known)) {
            // Deviation: not what came since the request was sent.
            if varies(&known.fields, &known.asked, &request.fields) || known.received > exchange.request_time {
                continue;
            }
            let merged = overlaid(&known.fields, &answer.fields);
            match settled(known, request, &merged, operator) {
                Settled::Fresh => known.freshen(request, exchange, merged, policy),
                Settled::Left => {}
                Settled::Outdated => known.is_outdated = true,
                Settled::Gone => known.gone = Some("a 304 took it back"),
            }
        }
    }

    /// Others with the same note and bytes: which of them a selection changed is the cache's own affair.
    fn alike(&self, at: usize) -> Vec<usize> {
        let known = &self.known[at];
        let is_alike =
            |other: &Known| (other.path, &other.note, other.rep, other.gone) == (known.path, &known.note, known.rep, None);
        (0..self.known.len()).filter(|other| *other != at && is_alike(&self.known[*other])).collect()
    }

    /// A selection freshened one of these: each may be the old or the new one.
    fn freshen_one_of(&mut self, all: &[usize], fresh: &Known) {
        for at in all {
            self.known[*at].is_sure = false;
            let new = Known { asked: self.known[*at].asked.clone(), is_sure: false, ..fresh.clone() };
            self.known.push(new);
        }
    }

    /// RFC 9111 section 4.3.5: what a 200 to HEAD says of stored responses.
    fn describe(&mut self, request: &Request, exchange: &Exchange, answer: &Answer) {
        if answer.status != 200 {
            return;
        }
        let (operator, policy) = (self.operator, self.policy);
        let alone = Known::new(&Request { method: "GET", ..request.clone() }, exchange, answer, (operator, policy));
        // Deviation: what HEAD with credentials says counts only where it could be stored and shared by itself.
        let is_worth = alone.states_lifetime() || has(&answer.fields, "etag") || has(&answer.fields, "last-modified");
        let may_tell = !is_credentialed(request.path, &request.fields) || alone.gone.is_none() && is_worth;
        let is_asked = |known: &Known| {
            known.path == request.path && known.gone.is_none() && !varies(&known.fields, &known.asked, &request.fields)
        };
        let mut others = Vec::new();
        for known in self.known.iter_mut().filter(|known| is_asked(known) && known.received <= exchange.request_time) {
            if known.is_part {
                // Whether the parts are put together by now is the cache's own affair.
                others.push(Known { is_outdated: true, ..known.clone() });
            }
            if !known.is_described_by(answer) {
                known.is_outdated = true;
                continue;
            }
            let merged = overlaid(&known.fields, &answer.fields);
            match settled(known, request, &merged, operator) {
                Settled::Fresh if may_tell => known.freshen(request, exchange, merged, policy),
                Settled::Fresh | Settled::Left => {}
                Settled::Outdated => known.is_outdated = true,
                Settled::Gone => known.gone = Some("an answer to HEAD took it back"),
            }
        }
        self.known.extend(others);
    }
}
