//! Requests on real sockets against origins that follow a script byte by byte.
mod differential;
mod early;
mod failures;
mod framing;
pub(crate) mod origin;
mod pooling;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::BodyExt;

use crate::access::{Access, Permit, Question};
use crate::auth::Principal;
use crate::body::{Body, BodyError};
use crate::config::settings::{
    AccessLogTarget, Auth, Basic, Cache, Digest, Forward, Limits, Log, Mode, Server, Settings, Upstream,
};
use crate::error::Error;
use crate::fields::FieldSection;
use crate::metrics::Metrics;
use crate::target::{Host, Scheme, Target};

use super::resolve::Resolver;
use super::{Destination, Outbound, UpstreamBody, Upstreams};

/// Settings that allow loopback and every port; no upstreams.
pub(super) fn settings() -> Settings {
    Settings {
        listeners: Vec::new(),
        admin: None,
        auth: Auth {
            realm: "test".into(),
            schemes: Vec::new(),
            basic: Basic { htpasswd: None, verdict_ttl: Duration::from_secs(60), allow_cleartext: false },
            digest: Digest { htdigest: None, algorithms: Vec::new(), nonce_lifetime: Duration::from_secs(60) },
            builtin_user: None,
        },
        access: Vec::new(),
        forward: Forward {
            connect_ports: (1..=u16::MAX).collect(),
            allow_ports: (1..=u16::MAX).collect(),
            allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
            ca_file: None,
        },
        upstreams: Vec::new(),
        routes: Vec::new(),
        cache: Cache { memory_bytes: 1 << 20, max_object_bytes: 1 << 20, ..Cache::default() },
        policies: Vec::new(),
        response_policies: Vec::new(),
        warnings: Vec::new(),
        log: Log { json: true, access: AccessLogTarget::Off },
        trace: crate::config::settings::Trace::default(),
        shadow: None,
        limits: Limits {
            header_bytes: 32 * 1024,
            header_fields: 100,
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            tunnel_idle_time: Duration::from_secs(60),
            connect_time: Duration::from_secs(5),
            first_byte_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(1),
            connections_per_address: 16,
        },
    }
}

/// Upstreams under these settings; our own addresses are `own`.
pub(super) fn upstreams(settings: &Settings, own: &[SocketAddr]) -> Upstreams {
    let access = Arc::new(Access::new(settings, own));
    Upstreams::new(settings, access, Arc::new(Metrics::new(settings))).unwrap()
}

/// Upstreams whose names resolve to `answers`, one for each question, the last one first.
pub(super) fn upstreams_resolving(settings: &Settings, answers: Vec<Vec<SocketAddr>>) -> Upstreams {
    let access = Arc::new(Access::new(settings, &[]));
    let resolver = Resolver::Fixed(parking_lot::Mutex::new(answers));
    Upstreams::with_resolver(settings, access, Arc::new(Metrics::new(settings)), resolver).unwrap()
}

/// An upstream of plain servers at these addresses.
pub(super) fn group(addresses: &[SocketAddr]) -> Upstream {
    let server = |address: &SocketAddr| Server { scheme: Scheme::Http, host: Host::Address(address.ip()), port: address.port() };
    Upstream { name: "group".into(), servers: addresses.iter().map(server).collect(), ca_file: None }
}

/// A permit for `http://address/path`.
pub(super) fn permit(address: SocketAddr, path: &str) -> Permit {
    permit_for(Scheme::Http, Host::Address(address.ip()), address.port(), path)
}

pub(super) fn permit_for(scheme: Scheme, host: Host, port: u16, path: &str) -> Permit {
    let target = Target { scheme, host, port, path_and_query: path.into() };
    let question = Question {
        principal: Principal { name: None, scheme: crate::auth::Scheme::None },
        target,
        method: &Method::GET,
        client: [127, 0, 0, 1].into(),
        mode: Mode::Forward,
    };
    Access::new(&settings(), &[]).decide(question).unwrap()
}

/// A request without content.
pub(super) fn bare(method: Method) -> Outbound {
    Outbound { method, fields: FieldSection::default(), body: Body::Empty, interim: None, pins: None }
}

/// A request with content.
pub(super) fn with_content(method: Method, content: &'static str) -> Outbound {
    Outbound {
        method,
        fields: FieldSection::default(),
        body: Body::Full(Bytes::from_static(content.as_bytes())),
        interim: None,
        pins: None,
    }
}

pub(super) fn with_field(mut request: Outbound, name: &'static str, value: &'static str) -> Outbound {
    request.fields.append(&HeaderName::from_static(name), &HeaderValue::from_static(value));
    request
}

/// Reads a response to its end: status, fields and content.
pub(super) async fn read(response: Response<UpstreamBody>) -> Result<(u16, HeaderMap, Bytes), BodyError> {
    let (parts, body) = response.into_parts();
    let content = Body::Upstream(body).collect().await?.to_bytes();
    Ok((parts.status.as_u16(), parts.headers, content))
}

/// One forward exchange, its response read to its end.
pub(super) async fn exchange(upstreams: &Upstreams, permit: &Permit, request: Outbound) -> Result<(u16, String), Error> {
    let response = upstreams.send(permit, Destination::Forward, request).await?;
    let (status, _, content) = read(response).await.unwrap();
    Ok((status, String::from_utf8(content.to_vec()).unwrap()))
}
