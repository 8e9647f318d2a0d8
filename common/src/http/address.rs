//! The client address of a request: that of the connection, or the one that trusted proxies report (`TRUSTED_PROXIES`).

use std::{
    fmt,
    future::{Ready, ready},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{X_FORWARDED_FOR, X_FORWARDED_PROTO},
    web::Data,
};
use ipnet::IpNet;
use thiserror::Error;

use crate::{error::ApiError, settings::SettingsSource};

/// The length of the IPv6 prefix that identifies a client. A customer gets at least a /64 and may choose any address in it.
const IPV6_PREFIX: u8 = 64;

/// The text is neither an address nor a network.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("a proxy is an address or a network: 10.0.0.7, 10.0.0.0/8, 2001:db8::/32")]
pub struct InvalidProxy;

/// The proxies whose `X-Forwarded-For` header is trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`.
    #[must_use]
    pub fn read(source: &mut SettingsSource) -> Self {
        const NAME: &str = "TRUSTED_PROXIES";
        let list = source.list(NAME, "");
        Self::parse(list.iter().map(String::as_str)).unwrap_or_else(|_| {
            source.problem(NAME, "a comma-separated list of addresses and networks such as 10.0.0.7 or 10.0.0.0/8");
            Self::default()
        })
    }

    /// Parses a list.
    ///
    /// # Errors
    /// An item is neither an address nor a network.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidProxy> {
        let network = |text: &str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        list.into_iter().map(network).collect::<Result<_, _>>().map(Self).map_err(|_| InvalidProxy)
    }

    /// Returns the last address in the chain that is not a trusted proxy. The client may have invented the addresses before it.
    fn client<'a>(&self, peer: IpAddr, forwarded: impl Iterator<Item = &'a str>) -> IpAddr {
        let mut hops: Vec<&str> = forwarded.flat_map(|line| line.split(',')).collect();
        let mut client = peer.to_canonical();
        while self.trusts(client)
            && let Some(hop) = hops.pop().and_then(parse_hop)
        {
            client = hop;
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Parses an address with or without a port. Returns `None` for anything else, such as `unknown`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    address.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()).map(|address| address.to_canonical())
}

/// The address of a client, as rate limits distinguish clients: an IPv4 address or an IPv6 /64 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// Returns the client address of a host.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self(address),
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << (128 - IPV6_PREFIX));
                Self(Ipv6Addr::from(network).into())
            }
        }
    }

    /// Returns the client address of a request.
    ///
    /// # Errors
    /// The app has no [`TrustedProxies`].
    pub fn of_request(request: &HttpRequest) -> Result<Self, ApiError> {
        let proxies = request.app_data::<Data<TrustedProxies>>();
        let proxies = proxies.ok_or_else(|| ApiError::internal("no trusted proxies in the app's data"))?;
        // A closed connection has no peer address.
        let peer = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
        let forwarded = request.headers().get_all(X_FORWARDED_FOR).map_while(|line| line.to_str().ok());
        Ok(Self::of(proxies.client(peer, forwarded)))
    }

    /// Returns the network around the address, wide enough that it does not identify a client: an IPv4 /24 or an IPv6 /48.
    #[must_use]
    pub fn prefix(self) -> String {
        let length = if self.0.is_ipv4() { 24 } else { 48 };
        IpNet::new(self.0, length).map_or_else(|_| self.0.to_string(), |network| network.trunc().to_string())
    }
}

/// Returns whether a request came by https: to a trusted proxy that says so in `X-Forwarded-Proto`. The services themselves speak only
/// http.
pub fn is_https(request: &HttpRequest) -> bool {
    let Some(proxies) = request.app_data::<Data<TrustedProxies>>() else { return false };
    let is_trusted = request.peer_addr().is_some_and(|peer| proxies.trusts(peer.ip().to_canonical()));
    let proto = request.headers().get(X_FORWARDED_PROTO).and_then(|proto| proto.to_str().ok());
    // Several proxies may have added a value. The client is at the first.
    let first = proto.and_then(|list| list.split(',').next()).map(str::trim);
    is_trusted && first.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromRequest for ClientAddress {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of_request(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::parse(proxies.iter().copied()).expect("parse proxies");
        let client = proxies.client(peer.parse().expect("parse address"), forwarded.iter().copied());
        ClientAddress::of(client).to_string()
    }

    #[test]
    fn ignores_forwarded_header_without_trusted_proxy() {
        assert_eq!(client(&[], "198.51.100.1", &["203.0.113.9"]), "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], "198.51.100.1", &["203.0.113.9"]), "198.51.100.1");
    }

    #[test]
    fn uses_last_address_that_is_not_a_proxy() {
        let ours = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"];
        for (forwarded, expected) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["6.6.6.6, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
            (&["6.6.6.6", "203.0.113.9", "192.0.2.7,10.1.2.3"], "203.0.113.9"),
            (&["6.6.6.6,203.0.113.9:4711"], "203.0.113.9"),
            (&["2001:db8::1", "::ffff:203.0.113.9"], "203.0.113.9"),
            (&["6.6.6.6,unknown,10.1.2.3"], "10.1.2.3"),
            (&["10.1.2.4"], "10.1.2.4"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(client(&ours, "10.0.0.1", forwarded), expected, "{forwarded:?}");
        }
        // The form of an IPv4 peer on a dual-stack socket.
        assert_eq!(client(&ours, "::ffff:10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn treats_ipv6_network_as_one_client() {
        for host in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"] {
            assert_eq!(client(&[], host, &[]), "2001:db8:1:2::");
        }
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &["[2001:db8:1:3::1]:443"]), "2001:db8:1:3::");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &["[2001:db8:1:3::1]"]), "2001:db8:1:3::");
    }

    #[test]
    fn rejects_invalid_proxy() {
        for bad in ["", "proxy.example.org", "10.0.0.0/33", "10.0.0.1:80", "*"] {
            assert_eq!(TrustedProxies::parse(["10.0.0.1", bad]).err(), Some(InvalidProxy), "{bad}");
        }
    }
}
