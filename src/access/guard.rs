//! The destination guard: a forward proxy connects to the public internet and to nothing else
//! unless the operator lists it, and never to itself.
//!
//! RFC 6890 and its registries (special-purpose addresses), RFC 4291 section 2.5.5 (IPv4 inside
//! IPv6), RFC 6052 section 2.1 (NAT64), RFC 9110 section 17.1.
//!
//! # Deviations
//!
//! - 6to4, Teredo and IPv4-compatible addresses are refused whatever they embed: nothing public is
//!   reached by them any more, and each is another spelling of an IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Ranges outside the public internet.
///
/// Source: the section named on each line.
const V4: [(Ipv4Net, &str); 15] = [
    (v4(0, 0, 0, 0, 8), "unspecified address"),            // RFC 1122 section 3.2.1.3
    (v4(10, 0, 0, 0, 8), "private address"),               // RFC 1918 section 3
    (v4(100, 64, 0, 0, 10), "carrier-grade NAT address"),  // RFC 6598 section 7
    (v4(127, 0, 0, 0, 8), "loopback address"),             // RFC 1122 section 3.2.1.3
    (v4(169, 254, 0, 0, 16), "link-local address"),        // RFC 3927 section 2.1
    (v4(172, 16, 0, 0, 12), "private address"),            // RFC 1918 section 3
    (v4(192, 0, 0, 0, 24), "protocol assignment address"), // RFC 6890 section 2.1
    (v4(192, 0, 2, 0, 24), "documentation address"),       // RFC 5737 section 3
    (v4(192, 88, 99, 0, 24), "6to4 relay address"),        // RFC 7526 section 4
    (v4(192, 168, 0, 0, 16), "private address"),           // RFC 1918 section 3
    (v4(198, 18, 0, 0, 15), "benchmarking address"),       // RFC 2544 appendix C.2.2
    (v4(198, 51, 100, 0, 24), "documentation address"),    // RFC 5737 section 3
    (v4(203, 0, 113, 0, 24), "documentation address"),     // RFC 5737 section 3
    (v4(224, 0, 0, 0, 4), "multicast address"),            // RFC 5771 section 3
    (v4(240, 0, 0, 0, 4), "reserved address"),             // RFC 1112 section 4
];

/// Global unicast, the only range of IPv6 that is public at all.
///
/// Source: RFC 4291 section 2.4, RFC 3587 section 3.
const V6_PUBLIC: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What is refused inside it, and words for what is refused outside it.
const V6: [(Ipv6Net, &str); 12] = [
    (v6(0x2001, 0, 0, 23), "protocol assignment address"), // RFC 2928 section 2; Teredo: RFC 4380 section 2.6
    (v6(0x2001, 0xdb8, 0, 32), "documentation address"),   // RFC 3849 section 2
    (v6(0x2002, 0, 0, 16), "6to4 address"),                // RFC 3056 section 2
    (v6(0x3fff, 0, 0, 20), "documentation address"),       // RFC 9637 section 2
    (v6(0x64, 0xff9b, 1, 48), "local NAT64 address"),      // RFC 8215 section 4
    (v6(0x100, 0, 0, 64), "discard address"),              // RFC 6666 section 4
    (v6(0xfc00, 0, 0, 7), "private address"),              // RFC 4193 section 3.1
    (v6(0xfe80, 0, 0, 10), "link-local address"),          // RFC 4291 section 2.5.6
    (v6(0xfec0, 0, 0, 10), "site-local address"),          // RFC 3879 section 4
    (v6(0xff00, 0, 0, 8), "multicast address"),            // RFC 4291 section 2.7
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback address"), // RFC 4291 section 2.5.3
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "unspecified address"), // RFC 4291 section 2.5.2
];

/// IPv4 behind the well-known prefix of NAT64: as public as what it embeds.
///
/// Source: RFC 6052 section 2.1.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// Decides which addresses may be connected to.
#[derive(Debug)]
pub(super) struct Guard {
    allowed: Vec<IpNet>,
    own: Vec<SocketAddr>,
}

impl Guard {
    /// `allowed` are exceptions for other addresses than `own`, those that we listen on.
    pub(super) fn new(allowed: &[IpNet], own: &[SocketAddr]) -> Self {
        Self { allowed: allowed.to_vec(), own: own.iter().map(|own| canonical(*own)).collect() }
    }

    /// May this address be connected to?
    ///
    /// # Errors
    ///
    /// What kind of address it is instead.
    pub(super) fn check(&self, address: SocketAddr) -> Result<(), &'static str> {
        if self.is_own(address) {
            return Err("the gateway's own address");
        }
        let ip = address.ip().to_canonical();
        if self.allowed.iter().any(|network| network.contains(&ip)) {
            return Ok(());
        }
        match special(ip) {
            Some(kind) => Err(kind),
            None => Ok(()),
        }
    }

    /// Do we listen there? An address bound to every interface is reached through loopback, and a
    /// loopback address through the unspecified one.
    pub(super) fn is_own(&self, address: SocketAddr) -> bool {
        let asked = canonical(address);
        self.own.iter().filter(|own| own.port() == asked.port()).any(|own| {
            let (own, asked) = (own.ip(), asked.ip());
            let via_loopback = own.is_unspecified() && is_local(asked);
            let via_unspecified = asked.is_unspecified() && is_local(own);
            own == asked || via_loopback || via_unspecified
        })
    }
}

fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// An IPv4 address in its own family, however it was written.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What kind of address this is, when it is not a public one.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            special_v4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, kind)| *kind)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let named = V6.iter().find(|(network, _)| network.contains(&address)).map(|(_, kind)| *kind);
    named.or_else(|| (!V6_PUBLIC.contains(&address)).then_some("address outside the public internet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allowed: &[&str], own: &[&str]) -> Guard {
        let allowed: Vec<IpNet> = allowed.iter().map(|network| network.parse().unwrap()).collect();
        let own: Vec<SocketAddr> = own.iter().map(|address| address.parse().unwrap()).collect();
        Guard::new(&allowed, &own)
    }

    /// First, last and a middle address of every range, and the neighbours outside.
    const REFUSED: [&str; 62] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.1.2.3",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:53aa:64c::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
    ];
    const PUBLIC: [&str; 24] = [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700::1",
        "2a00::1",
    ];

    #[test]
    fn nothing_outside_the_public_internet_is_a_destination() {
        let guard = guard(&[], &[]);
        for address in REFUSED {
            assert!(guard.check(SocketAddr::new(address.parse().unwrap(), 443)).is_err(), "{address}");
        }
        for address in PUBLIC {
            assert_eq!(guard.check(SocketAddr::new(address.parse().unwrap(), 443)), Ok(()), "{address}");
        }
    }

    #[test]
    fn listed_networks_are_exceptions_in_every_spelling_but_no_other() {
        let guard = guard(&["10.1.0.0/16", "fd00::/8"], &[]);
        for (address, expect) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("10.2.0.1", false), ("fd00::1", true), ("fc00::1", false)]
        {
            assert_eq!(guard.check(SocketAddr::new(address.parse().unwrap(), 80)).is_ok(), expect, "{address}");
        }
    }

    #[test]
    fn own_addresses_are_refused_even_when_listed() {
        let everything = ["0.0.0.0/0", "::/0"];
        let cases = [
            ("127.0.0.1:3128", "127.0.0.1:3128", true),
            ("127.0.0.1:3128", "[::ffff:127.0.0.1]:3128", true),
            ("127.0.0.1:3128", "0.0.0.0:3128", true),
            ("127.0.0.1:3128", "[::]:3128", true),
            ("127.0.0.1:3128", "127.0.0.1:3129", false),
            ("127.0.0.1:3128", "127.0.0.2:3128", false),
            ("0.0.0.0:3128", "127.9.9.9:3128", true),
            ("0.0.0.0:3128", "[::1]:3128", true),
            ("[::]:3128", "127.0.0.1:3128", true),
            ("[::]:3128", "[::1]:3128", true),
            ("192.0.2.7:80", "192.0.2.7:80", true),
            ("192.0.2.7:80", "[::ffff:192.0.2.7]:80", true),
            ("192.0.2.7:80", "192.0.2.8:80", false),
        ];
        for (own, asked, expect) in cases {
            let guard = guard(&everything, &[own]);
            assert_eq!(guard.is_own(asked.parse().unwrap()), expect, "{own} {asked}");
            assert_eq!(guard.check(asked.parse().unwrap()).is_err(), expect, "{own} {asked}");
        }
    }
}
