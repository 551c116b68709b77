//! The simulated origin: it remembers which representations it handed out and which of them are still current.

use crate::dates::write;
use crate::step::{Lines, Manner, PATHS, Request, SECOND, START, line};

/// What the origin said.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Lines,
    pub(crate) body: String,
}

/// One question to the origin and its answer, if it gave one.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The fields that reached the origin.
    pub(crate) sent: Lines,
    pub(crate) answer: Option<Answer>,
    pub(crate) request_time: i64,
    pub(crate) response_time: i64,
}

/// A representation; its number is in every four of its bytes.
#[derive(Clone, Copy, Debug)]
struct Representation {
    id: u32,
    has_tag: bool,
    has_modified: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// Per path: what may still be confirmed.
    current: [Vec<Representation>; PATHS.len()],
}

/// Sixteen bytes that tell where they come from.
pub(crate) fn content(id: u32) -> String {
    format!("{id:04}").repeat(4)
}

pub(crate) fn tag(id: u32) -> String {
    format!("\"t{id}\"")
}

/// No two representations have the same.
pub(crate) fn modified(id: u32) -> String {
    write(START / SECOND - 2_000 - i64::from(id), 2)
}

impl Origin {
    /// Answers what the cache sends in this step; `asked` counts the questions before it.
    pub(crate) fn answer(&mut self, request: &Request, sent: &Lines, asked: u32, now: i64) -> Option<Answer> {
        let reply = &request.reply;
        let id = reply.id + asked;
        if reply.is_changed && asked == 0 {
            self.current[request.path].clear();
        }
        if reply.manner == Manner::Silent {
            return None;
        }
        let is_read = ["GET", "HEAD"].contains(&request.method);
        let mut answer = if is_read && reply.status == 200 {
            self.read(request, sent, id)
        } else {
            Answer { status: reply.status, fields: Lines::new(), body: content(id) }
        };
        if request.method == "HEAD" || [204, 304].contains(&answer.status) {
            answer.body.clear();
        }
        answer.fields.push(("x-note", format!("n{id}")));
        answer.fields.push(("x-a", format!("a{id}")));
        answer.fields.extend(reply.fields.iter().cloned());
        answer.fields.extend(reply.date.map(|offset| ("date", write((now + offset) / SECOND, 2))));
        Some(answer)
    }

    fn read(&mut self, request: &Request, sent: &Lines, id: u32) -> Answer {
        let reply = &request.reply;
        let current = &mut self.current[request.path];
        let is_known = |known: &&Representation| match line(sent, "if-none-match") {
            Some(wanted) => known.has_tag && wanted.split(", ").any(|wanted| wanted == tag(known.id)),
            None => known.has_modified && line(sent, "if-modified-since") == Some(modified(known.id).as_str()),
        };
        if let Some(known) = current.iter().find(is_known).copied() {
            let fields = match reply.manner {
                Manner::Proper | Manner::Silent => validators(known),
                Manner::WrongTag => vec![("etag", tag(id + 5))],
                Manner::NoTag => Lines::new(),
            };
            return Answer { status: 304, fields, body: String::new() };
        }
        let range = line(sent, "range").filter(|_| request.method == "GET" && reply.has_tag).and_then(parse_range);
        let is_partial = range.is_some();
        let is_again = is_partial || request.method == "HEAD" || reply.is_again;
        let known = current.last().copied().filter(|known| is_again && known.has_tag);
        let shown = known.unwrap_or(Representation { id, has_tag: reply.has_tag, has_modified: reply.has_modified });
        if known.is_none() {
            current.push(shown);
        }
        let (mut fields, body) = (validators(shown), content(shown.id));
        if let Some((first, last)) = range {
            fields.push(("content-range", format!("bytes {first}-{last}/16")));
            return Answer { status: 206, fields, body: body[first..=last].to_owned() };
        }
        fields.push(("content-length", "16".to_owned()));
        Answer { status: 200, fields, body }
    }
}

fn validators(known: Representation) -> Lines {
    let mut fields = Lines::new();
    if known.has_tag {
        fields.push(("etag", tag(known.id)));
    }
    if known.has_modified {
        fields.push(("last-modified", modified(known.id)));
    }
    fields
}

/// `bytes=4-7`: the generator writes no other form.
pub(crate) fn parse_range(value: &str) -> Option<(usize, usize)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}
