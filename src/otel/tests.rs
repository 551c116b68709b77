//! What the collector does not take is counted, and bounded meanwhile.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::SystemTime;

use http::Version;

use super::Exporter;
use super::exporter::{BATCH_EXCHANGES, WAITING_EXCHANGES};
use super::post::rejected;
use crate::access_log::Record;
use crate::clock::Clock;
use crate::config;
use crate::config::settings::Settings;
use crate::keyed::Keyed;
use crate::metrics::Metrics;
use crate::server::sample;
use crate::trace::TraceContext;

/// An exporter and its metrics, and the collector that it will come to.
fn started(sample: &str) -> (Exporter, Arc<Metrics>, TcpListener) {
    let collector = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let text = format!(
        "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n\
         [trace]\notlp = \"http://{}/v1/traces\"\nsample = {sample}\n",
        collector.local_addr().unwrap()
    );
    let trace = config::parse(&text, "a.toml", std::path::Path::new("/")).unwrap_or_else(|errors| panic!("{errors}")).trace;
    let settings = Settings { trace, ..sample::settings() };
    let metrics = Arc::new(Metrics::new(&settings));
    let exporter = Exporter::start(&settings, Keyed::random().unwrap(), &metrics).unwrap().expect("a collector is named");
    (exporter, metrics, collector)
}

fn end(exporter: &Exporter, id: u64) {
    let mut record = Record::new(0, Ipv4Addr::LOCALHOST.into(), SystemTime::UNIX_EPOCH, Clock::instant());
    record.span = exporter.begin(id, None, Version::HTTP_11);
    assert!(record.span.is_some());
    exporter.end(&mut record);
}

/// Reads one request to its end and gives the number of spans in it.
fn read(stream: &mut TcpStream) -> usize {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 65536];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "the request ended early");
        bytes.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, content)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if Some(content.len()) == length {
            return content.matches("\"spanId\"").count();
        }
    }
}

fn is_dropped(metrics: &Metrics, count: usize) -> bool {
    metrics.render().lines().any(|line| line == format!("vouchsafe_traces_dropped_total {count}"))
}

#[test]
fn a_slow_collector_holds_up_nobody_and_the_rest_is_counted() {
    let (exporter, metrics, collector) = started("1");
    for id in 0..BATCH_EXCHANGES as u64 {
        end(&exporter, id);
    }
    // The thread has taken them, or a part of them, and waits for the answer.
    let (mut stream, _) = collector.accept().unwrap();
    let sent = read(&mut stream);
    let more = WAITING_EXCHANGES + 7 - (BATCH_EXCHANGES - sent);
    for id in 0..more as u64 {
        end(&exporter, id);
    }
    assert!(is_dropped(&metrics, 7), "{sent} {}", metrics.render());
    let answer = |stream: &mut TcpStream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    answer(&mut stream);
    let mut rest = 0;
    while rest < WAITING_EXCHANGES {
        let (mut stream, _) = collector.accept().unwrap();
        rest += read(&mut stream);
        answer(&mut stream);
    }
    exporter.close();
    assert_eq!(rest, WAITING_EXCHANGES);
    end(&exporter, 1);
    assert!(is_dropped(&metrics, 8), "after the end it is lost");
}

#[test]
fn a_trace_is_recorded_as_a_whole_and_no_client_chooses_which() {
    let (exporter, _metrics, _collector) = started("0.5");
    let context = |trace_id, is_sampled| Some(TraceContext { trace_id, parent_id: 1, is_sampled });
    let is_recorded = |id, context| exporter.begin(id, context, Version::HTTP_11).is_some();
    let recorded = (1..=4000).filter(|trace_id| is_recorded(1, context(*trace_id, true))).count();
    assert!((1500..2500).contains(&recorded), "{recorded}");
    for trace_id in 1..=100 {
        let first = is_recorded(1, context(trace_id, true));
        assert!((2..10).all(|id| is_recorded(id, context(trace_id, true)) == first), "{trace_id}");
        assert!(!is_recorded(1, context(trace_id, false)), "{trace_id}");
    }
    let fresh: Vec<_> = (0..4000).filter_map(|id| exporter.begin(id, None, Version::HTTP_11)).collect();
    assert!((1500..2500).contains(&fresh.len()), "{}", fresh.len());
    let ids: std::collections::HashSet<_> = fresh.iter().flat_map(|span| [span.trace_id, u128::from(span.id)]).collect();
    assert_eq!(ids.len(), fresh.len() * 2, "no id is given twice");
}

#[test]
fn a_collector_says_what_it_did_not_take() {
    for (answer, expect) in [
        ("", 0),
        ("{}", 0),
        ("not JSON", 0),
        (r#"{"partialSuccess":{}}"#, 0),
        (r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#, 3),
        (r#"{"partialSuccess":{"rejectedSpans":4}}"#, 4),
        (r#"{"partialSuccess":{"rejectedSpans":"-1"}}"#, 0),
    ] {
        assert_eq!(rejected(answer.as_bytes()), expect, "{answer}");
    }
}
