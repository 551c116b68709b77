//! Settings for tests: one open forward listener on a free port of loopback, all defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::config::settings::{
    AccessLogTarget, Auth, Basic, Cache, Digest, Forward, Limits, Listener, ListenerAuth, Log, Mode, Settings,
};

/// What a test starts from.
pub(crate) fn settings() -> Settings {
    Settings {
        listeners: vec![listener()],
        admin: None,
        auth: Auth {
            realm: "vouchsafe".to_owned(),
            schemes: Vec::new(),
            basic: Basic { htpasswd: None, verdict_ttl: Duration::from_secs(60), allow_cleartext: false },
            digest: Digest { htdigest: None, algorithms: Vec::new(), nonce_lifetime: Duration::from_secs(300) },
            builtin_user: None,
        },
        access: Vec::new(),
        forward: Forward { connect_ports: vec![443], allow_ports: vec![80], allow_networks: Vec::new(), ca_file: None },
        upstreams: Vec::new(),
        routes: Vec::new(),
        cache: Cache { memory_bytes: 1 << 20, max_object_bytes: 1 << 16, ..Cache::default() },
        policies: Vec::new(),
        response_policies: Vec::new(),
        warnings: Vec::new(),
        log: Log { json: true, access: AccessLogTarget::Off },
        trace: crate::config::settings::Trace::default(),
        shadow: None,
        limits: limits(),
    }
}

/// The address that a test binds.
pub(crate) fn free_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn listener() -> Listener {
    Listener {
        name: "edge".to_owned(),
        address: free_port(),
        mode: Mode::Forward,
        auth: ListenerAuth::None,
        tls: None,
        trusted_peers: Vec::new(),
        targeted_fields: Vec::new(),
    }
}

fn limits() -> Limits {
    Limits {
        header_bytes: 32 * 1024,
        header_fields: 100,
        header_time: Duration::from_secs(10),
        idle_time: Duration::from_secs(60),
        tunnel_idle_time: Duration::from_secs(60),
        connect_time: Duration::from_secs(3),
        first_byte_time: Duration::from_secs(30),
        drain_time: Duration::from_secs(10),
        connections_per_address: 1024,
    }
}
