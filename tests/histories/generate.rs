//! Histories in which things happen that chance alone would seldom bring together.

use crate::random::Random;
use crate::step::{History, Lines, Manner, Operator, Reply, Request, SECOND, Step, line};

const FLAGS: [&str; 21] = [
    "public",
    "public",
    "public",
    "public",
    "public",
    "public",
    "public",
    "must-revalidate",
    "must-revalidate",
    "proxy-revalidate",
    "no-cache",
    "no-cache=\"x-a\"",
    "private",
    "private=\"x-a\"",
    "no-store",
    "immutable",
    "stale-while-revalidate=30",
    "stale-if-error=30",
    "must-understand",
    "unknown",
    "Public",
];

pub(crate) fn history(random: &mut Random) -> History {
    let length = 8 + random.below(9);
    let operator = Operator {
        authorization: random.pick(&[
            "standard",
            "standard",
            "standard",
            "standard",
            "standard",
            "standard",
            "standard",
            "always-validate",
            "never",
        ]),
        anonymous_entries: random.pick(&["reuse", "reuse", "reuse", "reuse", "reuse", "reuse", "validate", "bypass"]),
        max_stale_disconnected: random.pick(&[0, 20, 3_600]) * SECOND,
    };
    let mut steps: Vec<Step> = Vec::new();
    for at in 0..length {
        let step = match random.below(48) {
            0 => Step::NewPolicy,
            1..=8 => Step::Wait(wait(random)),
            _ => Step::Request(request(random, u32::try_from(at).unwrap() * 10 + 10)),
        };
        steps.push(step);
    }
    if random.one_in(4) {
        let requests = steps.iter_mut().filter_map(|step| if let Step::Request(request) = step { Some(request) } else { None });
        requests.for_each(|request| diversify(random, request));
    }
    History { operator, steps }
}

/// Makes the request one of those between which the origin chooses: chance alone seldom stores several variants.
fn diversify(random: &mut Random, request: &mut Request) {
    if !random.one_in(5) {
        request.path = 0;
        request.fields.retain(|(name, _)| *name == "cache-control");
    }
    request.fields.retain(|(name, _)| *name != "x-v");
    if !random.one_in(6) {
        request.fields.push(("x-v", random.pick(&["1", "2", "3"]).to_owned()));
    }
    let reply = &mut request.reply;
    reply.is_changed &= random.one_in(3);
    reply.has_tag |= !random.one_in(4);
    if request.method == "GET" && !line(&reply.fields, "vary").is_some_and(|_| random.one_in(3)) {
        reply.fields.retain(|(name, _)| *name != "vary");
        reply.fields.push(("vary", "x-v".to_owned()));
    }
}

fn wait(random: &mut Random) -> i64 {
    let seconds = [0, 1, 1, 3, 9, 10, 29, 30, 30, 55, 60, 61, 90, 300, 610, 90_000];
    let time = if random.one_in(12) { random.pick(&[-1, -5, -70, -1_000]) } else { random.pick(&seconds) };
    time * SECOND + i64::try_from(random.below(3)).unwrap() * 400_000
}

fn request(random: &mut Random, id: u32) -> Request {
    let method = random.pick(&[
        "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET",
        "GET", "HEAD", "HEAD", "POST", "PUT", "DELETE", "FOO", "OPTIONS",
    ]);
    let mut fields = Lines::new();
    match random.below(16) {
        0..=3 => fields.push(("authorization", "Bearer alice".to_owned())),
        4..=6 => fields.push(("authorization", "Bearer bob".to_owned())),
        7 => fields.push(("cookie", "sid=carol".to_owned())),
        8 => fields.push(("cookie", "theme=dark".to_owned())),
        _ => {}
    }
    if random.one_in(5) {
        fields.push(("x-v", random.pick(&["1", "2"]).to_owned()));
    }
    if random.one_in(9) {
        let wishes = [
            "no-cache",
            "no-store",
            "max-age=0",
            "max-age=30",
            "max-stale",
            "max-stale=30",
            "min-fresh=20",
            "only-if-cached",
            "stale-if-error=60",
        ];
        fields.push(("cache-control", random.pick(&wishes).to_owned()));
    }
    if method == "GET" && random.one_in(14) {
        fields.push(("range", random.pick(&["bytes=0-3", "bytes=4-11", "bytes=8-15"]).to_owned()));
    }
    if random.one_in(25) {
        // The tag of an earlier step, perhaps.
        let earlier = random.below(u64::from(id / 10)) * 10 + 10;
        fields.push(("if-none-match", format!("\"t{earlier}\"")));
    }
    random.shuffle(&mut fields);
    let path = random.pick(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 2]);
    Request { path, method, fields, reply: reply(random, method, id) }
}

fn reply(random: &mut Random, method: &str, id: u32) -> Reply {
    let is_read = ["GET", "HEAD"].contains(&method);
    let status = if is_read && !random.one_in(6) {
        200
    } else if is_read {
        random.pick(&[404, 301, 302, 401, 401, 403, 403, 410, 500, 503, 204])
    } else {
        random.pick(&[200, 200, 201, 204, 303, 400, 401, 403, 500])
    };
    let manner = match random.below(30) {
        0 => Manner::WrongTag,
        1 | 2 => Manner::NoTag,
        3 | 4 => Manner::Silent,
        _ => Manner::Proper,
    };
    Reply {
        id,
        is_changed: random.one_in(5),
        manner,
        status,
        fields: reply_fields(random, is_read),
        delay: random.pick(&[0, 0, 0, 0, 0, 500_000, 2 * SECOND]),
        date: random.pick(&[Some(0), Some(0), Some(0), Some(0), Some(0), Some(-10 * SECOND), Some(5 * SECOND), None]),
        has_tag: !random.one_in(4),
        has_modified: random.one_in(3),
        is_again: random.one_in(3),
    }
}

fn reply_fields(random: &mut Random, is_read: bool) -> Lines {
    let mut fields = Lines::new();
    let seconds = |random: &mut Random| random.pick(&[0, 5, 60, 60, 600, 600, 600, 600]);
    let mut members: Vec<String> = match random.below(11) {
        0 => Vec::new(),
        1..=5 => vec![format!("max-age={}", seconds(random))],
        6 | 7 => vec![format!("s-maxage={}", seconds(random))],
        8 | 9 => vec![format!("max-age={}", seconds(random)), format!("s-maxage={}", seconds(random))],
        _ => vec![random.pick(&["s-maxage=x", "max-age=600, s-maxage=-1", "max-age=x", "MAX-AGE=60"]).to_owned()],
    };
    for _ in 0..random.pick(&[0, 1, 1, 1, 2]) {
        members.push(random.pick(&FLAGS).to_owned());
    }
    random.shuffle(&mut members);
    // Of a 304 without the field the stored one stays in force.
    if !members.is_empty() {
        if members.len() > 1 && random.one_in(4) {
            let last = members.pop().unwrap();
            fields.push(("cache-control", last));
        }
        fields.push(("cache-control", members.join(", ")));
    }
    let mut sometimes = |of: u64, name: &'static str, values: &[&str]| {
        if random.one_in(of) {
            let value = random.pick(values).to_owned();
            fields.push((name, value));
        }
    };
    sometimes(12, "age", &["2", "50", "300"]);
    sometimes(25, "set-cookie", &["s=1"]);
    sometimes(7, "vary", &["x-v", "x-v", "x-v", "X-V, cookie", "authorization", "*"]);
    if is_read {
        return fields;
    }
    sometimes(3, "location", &["/b", "http://origin.example/a", "http://origin.example:80/b", "http://other.example/b", "/a"]);
    sometimes(3, "content-location", &["/a", "/b", "https://origin.example/b", "http://other.example/a"]);
    fields
}
