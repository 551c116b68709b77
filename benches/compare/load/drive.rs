//! The load: one thread, as many connections as asked for, one request at a time on each.

use std::io::Write;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::asking::{self, Asking};
use crate::content::token;
use crate::digest::Credentials;
use crate::exchange::Exchange;
use crate::latency::Latencies;
use crate::numbers::Numbers;
use crate::socket::{self, Got};
use crate::{Drive, message};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many wrong answers are enough.
const ENOUGH: u64 = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Tunnelling,
    Challenged,
    Ready,
    Busy,
}

struct Connection {
    stream: TcpStream,
    stage: Stage,
    user: usize,
    credentials: Option<Credentials>,
    early: Vec<u8>,
    exchange: Exchange,
    since: Instant,
    is_recorded: bool,
}

struct Load<'a> {
    drive: &'a Drive,
    poll: Poll,
    connections: Vec<Connection>,
    ready: Vec<usize>,
    busy: usize,
    asking: Asking,
    numbers: Numbers,
    request: Vec<u8>,
    sent: u64,
    /// When the next request is due, at a rate.
    due: Instant,
    until: Option<Instant>,
    latencies: Latencies,
    answers: u64,
    by_user: Vec<u64>,
    wrong: u64,
    first_wrong: Option<String>,
}

/// Runs a load and says what was seen, as JSON.
pub(crate) fn run(drive: &Drive) -> String {
    let poll = Poll::new().expect("a poll");
    let connections = (0..drive.connections)
        .map(|at| Connection {
            stream: dial(&poll, at, drive),
            stage: Stage::Connecting,
            user: if drive.users > 0 { at % drive.users + 1 } else { 0 },
            credentials: None,
            early: Vec::new(),
            exchange: Exchange::default(),
            since: Instant::now(),
            is_recorded: true,
        })
        .collect();
    let load = Load {
        drive,
        poll,
        connections,
        ready: Vec::new(),
        busy: 0,
        asking: Asking::new(drive),
        numbers: Numbers::new(drive),
        request: Vec::new(),
        sent: 0,
        due: Instant::now(),
        until: None,
        latencies: Latencies::new(),
        answers: 0,
        by_user: vec![0; drive.users + 1],
        wrong: 0,
        first_wrong: None,
    };
    load.run()
}

fn dial(poll: &Poll, at: usize, drive: &Drive) -> TcpStream {
    let mut stream = TcpStream::connect(drive.server).expect("a socket");
    poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE).expect("a place in the poll");
    stream
}

impl Load<'_> {
    fn run(mut self) -> String {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 1 << 18];
        let opened = Instant::now();
        let mut begun = opened;
        loop {
            let now = Instant::now();
            if self.until.is_none() && self.ready.len() == self.drive.connections {
                (begun, self.due) = (now, now);
                self.until = Some(now + Duration::from_secs_f64(self.drive.seconds));
                self.follow();
            }
            if self.until.is_some() {
                self.send_due(now);
            }
            if self.is_over(now, opened) {
                break;
            }
            self.poll.poll(&mut events, Some(self.pause(now))).expect("events");
            for event in &events {
                self.on_event(event.token().0, event.is_writable(), &mut buffer);
            }
        }
        self.report(begun.elapsed())
    }

    /// The closed loop begins: every connection asks.
    fn follow(&mut self) {
        if self.drive.rate.is_none() && self.drive.bursts.is_none() {
            for at in std::mem::take(&mut self.ready) {
                self.proceed(at);
            }
        }
    }

    /// Sends what has to be sent by now at a rate, or the next burst.
    fn send_due(&mut self, now: Instant) {
        if let Some(rate) = self.drive.rate {
            while self.due <= now && self.may_send(now) {
                let Some(at) = self.ready.pop() else { break };
                let (number, is_fresh) = self.numbers.next();
                self.send(at, number, is_fresh, self.due);
                self.due += Duration::from_secs_f64(1.0 / rate);
            }
        } else if self.drive.bursts.is_some() && self.ready.len() == self.drive.connections && self.may_send(now) {
            let (number, _) = self.numbers.next();
            for at in std::mem::take(&mut self.ready) {
                self.send(at, number, false, Instant::now());
            }
        }
    }

    fn may_send(&self, now: Instant) -> bool {
        if let Some(bursts) = self.drive.bursts {
            return self.sent < bursts * self.drive.connections as u64;
        }
        // At a rate all that is due in time is sent, however late: what waits counts as latency.
        let at = if self.drive.rate.is_some() { self.due } else { now };
        self.sent < self.drive.requests.unwrap_or(u64::MAX) && self.until.is_some_and(|until| at < until) && self.wrong < ENOUGH
    }

    fn is_over(&mut self, now: Instant, opened: Instant) -> bool {
        let Some(until) = self.until else {
            let is_late = now > opened + PATIENCE;
            if is_late || self.wrong >= ENOUGH {
                self.note(format!("expected {} connections, found {}", self.drive.connections, self.ready.len()));
            }
            return is_late || self.wrong >= ENOUGH;
        };
        let waited_for = if self.drive.bursts.is_some() { until + PATIENCE * 6 } else { until + PATIENCE };
        if now > waited_for {
            self.note(format!("{} requests had no answer {} s after the last was sent", self.busy, PATIENCE.as_secs()));
            return true;
        }
        self.wrong >= ENOUGH || (self.busy == 0 && !self.may_send(now))
    }

    /// How long to wait for events. The poll counts in milliseconds: the last of them is spent asking it again and again.
    fn pause(&self, now: Instant) -> Duration {
        const STEP: Duration = Duration::from_millis(1);
        if self.drive.rate.is_some() && self.until.is_some() && !self.ready.is_empty() {
            self.due.saturating_duration_since(now).saturating_sub(STEP).min(STEP * 50)
        } else {
            STEP * 50
        }
    }

    fn on_event(&mut self, at: usize, is_writable: bool, buffer: &mut [u8]) {
        if self.connections[at].stage == Stage::Connecting {
            if !is_writable {
                return;
            }
            match self.connections[at].stream.take_error() {
                Ok(None) => self.connected(at),
                error => return self.fail(at, format!("cannot connect: {error:?}")),
            }
        }
        loop {
            match socket::read(&mut self.connections[at].stream, buffer) {
                Got::Nothing => return,
                Got::End if self.connections[at].stage == Stage::Ready => return self.redial(at),
                Got::End => return self.fail(at, "the connection ended before an answer was complete".to_owned()),
                Got::Bytes(count) => {
                    self.take(at, &buffer[..count]);
                    if count < buffer.len() || self.connections[at].stage == Stage::Connecting {
                        return;
                    }
                }
            }
        }
    }

    fn connected(&mut self, at: usize) {
        let _ = self.connections[at].stream.set_nodelay(true);
        if self.drive.tunnel {
            self.connections[at].stage = Stage::Tunnelling;
            self.request = asking::connect(self.drive);
            self.flush(at);
        } else if self.drive.digest.is_some() && self.connections[at].credentials.is_none() {
            self.connections[at].stage = Stage::Challenged;
            self.asking.write(self.drive.from, 0, None, &mut self.request);
            self.flush(at);
        } else {
            self.proceed(at);
        }
    }

    /// A connection is free: it asks again, or waits for its turn.
    fn proceed(&mut self, at: usize) {
        self.connections[at].stage = Stage::Ready;
        let is_closed_loop = self.drive.rate.is_none() && self.drive.bursts.is_none();
        let now = Instant::now();
        if is_closed_loop && self.until.is_some() && self.may_send(now) {
            let (number, is_fresh) = self.numbers.next();
            self.send(at, number, is_fresh, now);
        } else {
            self.ready.push(at);
        }
    }

    fn send(&mut self, at: usize, number: u64, is_fresh: bool, since: Instant) {
        let connection = &mut self.connections[at];
        let made_for = if self.drive.own { connection.user } else { 0 };
        connection.exchange.begin(token(number, made_for), self.drive.bytes);
        (connection.since, connection.is_recorded, connection.stage) = (since, !is_fresh, Stage::Busy);
        self.asking.write(number, connection.user, connection.credentials.as_mut(), &mut self.request);
        self.busy += 1;
        self.sent += 1;
        self.flush(at);
    }

    fn flush(&mut self, at: usize) {
        let sent = self.connections[at].stream.write(&self.request);
        if !matches!(&sent, Ok(count) if *count == self.request.len()) {
            self.fail(at, format!("cannot send a request of {} bytes at once: {sent:?}", self.request.len()));
        }
    }

    fn take(&mut self, at: usize, bytes: &[u8]) {
        let connection = &mut self.connections[at];
        match connection.stage {
            Stage::Busy => match connection.exchange.take(bytes) {
                Ok(false) => {}
                Ok(true) => self.complete(at),
                Err(wrong) => self.fail(at, wrong),
            },
            Stage::Tunnelling | Stage::Challenged => {
                connection.early.extend_from_slice(bytes);
                self.admit(at);
            }
            Stage::Connecting | Stage::Ready => self.fail(at, "an answer that nobody asked for".to_owned()),
        }
    }

    fn complete(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        if connection.is_recorded {
            self.latencies.add(connection.since.elapsed());
        }
        self.answers += 1;
        self.by_user[connection.user] += 1;
        self.busy -= 1;
        if self.drive.close || connection.exchange.closes {
            self.redial(at);
        } else {
            self.proceed(at);
        }
    }

    /// The answer to CONNECT or a challenge, as far as it has come.
    fn admit(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        let Some(end) = message::head_end(&connection.early) else { return };
        let early = std::mem::take(&mut connection.early);
        let (head, status) = (&early[..end], message::status(&early));
        let (length, closes) = message::framing(head);
        if connection.stage == Stage::Tunnelling {
            return match status {
                Some(200) => self.proceed(at),
                _ => self.fail(at, format!("expected 200 to CONNECT, found {}", status.unwrap_or_default())),
            };
        }
        if early.len() < end + length.unwrap_or_default() as usize {
            connection.early = early;
            return;
        }
        match (status, Credentials::answering(head, self.drive.digest.as_deref().unwrap_or_default())) {
            (Some(407), Ok(credentials)) => connection.credentials = Some(credentials),
            (Some(407), Err(wrong)) => return self.fail(at, wrong),
            _ => return self.fail(at, format!("expected status 407 without credentials, found {}", status.unwrap_or_default())),
        }
        if closes { self.redial(at) } else { self.proceed(at) }
    }

    fn note(&mut self, wrong: String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert(wrong);
    }

    fn fail(&mut self, at: usize, wrong: String) {
        self.note(wrong);
        if self.connections[at].stage == Stage::Busy {
            self.busy -= 1;
        }
        self.redial(at);
    }

    fn redial(&mut self, at: usize) {
        self.ready.retain(|ready| *ready != at);
        let stream = dial(&self.poll, at, self.drive);
        let connection = &mut self.connections[at];
        connection.stream = stream;
        connection.stage = Stage::Connecting;
        connection.early.clear();
    }

    fn report(&self, took: Duration) -> String {
        let [p50, p99, p999, most] = [0.5, 0.99, 0.999, 1.0].map(|share| self.latencies.microseconds(share));
        serde_json::json!({
            "answers": self.answers, "fresh": self.numbers.fresh(), "seconds": took.as_secs_f64(),
            "p50": p50, "p99": p99, "p999": p999, "max": most,
            "by_user": self.by_user, "wrong": self.wrong, "first_wrong": self.first_wrong,
        })
        .to_string()
    }
}
