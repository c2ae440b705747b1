//! Addresses of Entra and Defender, of collectors, and our own.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::Form;

/// The base of an API: scheme, host and port. A host alone, a full URL and one that ends in `/api/alert` or
/// `/api/alerts` mean the same base, for all three are pasted into such fields.
pub(crate) struct Endpoint;

impl Form for Endpoint {
    type Value = Url;
    const FORMAT: &'static str = "endpoint";
    const PATTERN: &'static str = "^(https?://)?[^/@?#]+(/.*)?$";

    fn read(text: &str) -> Result<Url, String> {
        let given = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut url =
            Url::parse(&given).map_err(|_| "not an address; it looks like https://api.example.com".to_owned())?;
        check_parts(&url)?;
        check_scheme(&url)?;
        check_path(&url)?;
        url.set_path("");
        url.set_query(None);
        Ok(url)
    }
}

/// The URL of Splunk's HTTP Event Collector. Whether plain http may be is said elsewhere.
pub(crate) struct CollectorUrl;

impl Form for CollectorUrl {
    type Value = Url;
    const FORMAT: &'static str = "collector-url";
    const PATTERN: &'static str = "^https?://[^/@?#]+(/.*)?$";

    fn read(text: &str) -> Result<Url, String> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or("not the URL of a collector; it looks like https://splunk.example:8088")?;
        check_parts(&url)?;
        Ok(url)
    }
}

/// An IP address of this machine and a port to listen on. No name: what it means may change, and be several addresses.
pub(crate) struct ListenAddress;

impl Form for ListenAddress {
    type Value = SocketAddr;
    const FORMAT: &'static str = "listen-address";
    const PATTERN: &'static str = "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]+$";

    fn read(text: &str) -> Result<SocketAddr, String> {
        let address: Option<SocketAddr> = text.parse().ok().filter(|address: &SocketAddr| address.port() > 0);
        let shape = "not an IP address and a port to listen on; it looks like 127.0.0.1:8686, or [::1]:8686";
        address.ok_or_else(|| shape.to_owned())
    }
}

pub(super) fn check_parts(url: &Url) -> Result<(), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address carries no user and no password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address ends before `?` and `#`".to_owned());
    }
    match url.host() {
        Some(_) => Ok(()),
        None => Err("an address has a host".to_owned()),
    }
}

fn check_scheme(url: &Url) -> Result<(), String> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err("plain http goes to this machine only; write https://".to_owned()),
        _ => Err("the scheme is https".to_owned()),
    }
}

fn check_path(url: &Url) -> Result<(), String> {
    match url.path().trim_end_matches('/') {
        "" | "/api" | "/api/alert" | "/api/alerts" => Ok(()),
        _ => Err("an address has no path here; it is scheme, host and port".to_owned()),
    }
}

/// Whether it leads to this machine, whatever names mean elsewhere.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that people paste for one API is the same base.
    #[test]
    fn pasted_addresses_are_normalised() {
        for pasted in [
            "wdatp-alertexporter-eu.windows.com",
            "https://wdatp-alertexporter-eu.windows.com",
            "https://WDATP-alertexporter-eu.windows.com/",
            "https://wdatp-alertexporter-eu.windows.com:443/api",
            "https://wdatp-alertexporter-eu.windows.com/api/alert",
            "https://wdatp-alertexporter-eu.windows.com/api/alerts/",
        ] {
            let url = Endpoint::read(pasted).unwrap();
            assert_eq!(url.as_str(), "https://wdatp-alertexporter-eu.windows.com/", "{pasted}");
        }
        assert_eq!(Endpoint::read("http://[::1]:8080/api/alerts").unwrap().as_str(), "http://[::1]:8080/");
    }

    /// A collector has a host, with or without a path; nothing secret can be part of its URL.
    #[test]
    fn urls_of_collectors_are_checked() {
        for good in ["https://splunk.example:8088", "http://10.0.0.1:8088/services/collector", "https://[::1]/splunk"] {
            assert!(CollectorUrl::read(good).is_ok(), "{good}");
        }
        for wrong in
            ["splunk.example", "splunk.example:8088", "https://", "https://a?token=CANARY", "https://a:CANARY@b", ""]
        {
            let message = CollectorUrl::read(wrong).unwrap_err();
            assert!(!message.contains("CANARY"), "{message}");
        }
    }

    /// An address to listen on is an IP address and a port that monitoring can know.
    #[test]
    fn addresses_to_listen_on_are_checked() {
        for good in ["127.0.0.1:8686", "0.0.0.0:1", "[::1]:8686", "[::]:65535"] {
            assert_eq!(ListenAddress::read(good).map(|address| address.to_string()), Ok(good.to_owned()));
        }
        for wrong in ["localhost:8686", "127.0.0.1", ":8686", "127.0.0.1:0", "::1:8686", "127.0.0.1:65536", "8686", ""]
        {
            assert!(ListenAddress::read(wrong).is_err(), "{wrong}");
        }
    }

    /// Plain http leaves this machine never, whatever the host is called; nothing secret can be part of an address.
    #[test]
    fn unsafe_addresses_are_refused() {
        for wrong in [
            "http://api.security.microsoft.com",
            "http://192.168.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "ftp://localhost",
            "https://user:CANARY@api.example.com",
            "https://api.example.com/?token=CANARY",
            "https://api.example.com/proxy/api/alerts",
            "https://",
            "",
        ] {
            let message = Endpoint::read(wrong).unwrap_err();
            assert!(!message.contains("CANARY"), "{message}");
        }
        for good in ["http://127.0.0.1:80", "http://127.8.8.8", "http://localhost:1", "http://[::1]"] {
            assert!(Endpoint::read(good).is_ok(), "{good}");
        }
    }
}
