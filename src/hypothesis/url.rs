//! Addresses of sources: what can be said of one without asking it.

/// Why an address will not do; a fragment that does not repeat the address, which may be secret.
pub(super) fn fault_of(address: &str) -> Option<&'static str> {
    let Some(rest) = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"))
    else {
        return Some("an address starts with `http://` or `https://`");
    };
    if address.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some("an address has no spaces or line breaks in it");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = match authority.rsplit_once(':') {
        // The colons inside an IPv6 address are not before a port.
        Some((_, after)) if after.contains(']') => None,
        Some((_, port)) => Some(port),
        None => None,
    };
    let host = match port {
        Some(port) => &authority[..authority.len() - port.len() - 1],
        None => authority,
    };
    if host.is_empty() {
        return Some("the address names no host");
    }
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let of_host = |c: char| c.is_alphanumeric() || "-._".contains(c);
    // Letters beyond hexadecimal ones belong to a zone: `fe80::1%25eth0`.
    let of_address = |c: char| c.is_ascii_alphanumeric() || ":.%".contains(c);
    let inner = host.trim_start_matches('[').trim_end_matches(']');
    if !(if bracketed { inner.chars().all(of_address) } else { host.chars().all(of_host) }) {
        return Some("the host of the address has letters that no host has");
    }
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|n| n > 0)) {
        return Some("the port of the address is not a number from 1 to 65535");
    }
    rest.contains('#').then_some("an address has no `#` part: it is never sent")
}

/// Parameters of a query whose values open doors.
const SECRETS: [&str; 12] = [
    "token",
    "access_token",
    "auth_token",
    "auth",
    "api_key",
    "apikey",
    "api-key",
    "password",
    "passwd",
    "secret",
    "client_secret",
    "signature",
];

/// What is secret in an address: a user or password wherever it comes from, because all of the
/// address is asked for under it; a parameter only when its value is `written` in the file.
pub(super) fn secret_in(address: &str, written: &str) -> Option<&'static str> {
    let authority = |address: &str| {
        let (_, rest) = address.split_once("://")?;
        rest.split(['/', '?', '#']).next().map(|part| part.contains('@'))
    };
    if authority(address) == Some(true) {
        return Some("a user or password");
    }
    let query = written.split_once('?').map_or("", |(_, query)| query);
    let open =
        query.split(['&', ';']).filter_map(|pair| pair.split_once('=')).any(|(key, value)| {
            let secret = SECRETS.iter().any(|word| key.eq_ignore_ascii_case(word));
            secret && !value.is_empty() && !value.starts_with("${")
        });
    open.then_some("a token or password")
}

/// Whether an address names a path, be it only `/`.
pub(super) fn has_path(address: &str) -> bool {
    address.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
}

/// Whether an address has a query.
pub(super) fn has_query(address: &str) -> bool {
    address.contains('?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_can_be_asked() {
        for address in [
            "http://a",
            "https://prometheus.example.com:9090/select/0/prometheus",
            "http://127.0.0.1:9900/sd?x=1",
            "http://[::1]:9100/metrics",
            "http://[fe80::1%25eth0]/metrics",
            "http://my_service/metrics",
        ] {
            assert_eq!(fault_of(address), None, "{address}");
        }
    }

    #[track_caller]
    fn secret(address: &str, written: &str, want: Option<&str>) {
        assert_eq!(secret_in(address, written), want);
    }

    #[test]
    fn what_is_secret_in_an_address() {
        let user = Some("a user or password");
        secret("http://me:hunter2@a/metrics", "${URL}", user);
        secret("http://me@a", "http://me@a", user);
        secret("http://a/@me?x=y@z", "http://a/@me?x=y@z", None);
        let token = Some("a token or password");
        secret("http://a/?x=1&Token=abc", "http://a/?x=1&Token=abc", token);
        secret("http://a/?api_key=abc#x", "http://a/?api_key=abc#x", token);
        secret("http://a/?token=abc", "http://a/?token=${TOKEN}", None);
        secret("http://a/?token=&tokens=3", "http://a/?token=&tokens=3", None);
    }

    #[test]
    fn addresses_that_cannot() {
        for (address, word) in [
            ("", "starts with"),
            ("localhost:9090", "starts with"),
            ("ftp://a", "starts with"),
            ("http://", "no host"),
            ("http:///metrics", "no host"),
            ("http://:9090", "no host"),
            ("http://a:b", "port"),
            ("http://a:0", "port"),
            ("http://a:99999", "port"),
            ("http://a b", "spaces"),
            ("http://a/\n", "spaces"),
            ("http://a<b", "letters"),
            ("http://a/#x", "`#`"),
        ] {
            let fault = fault_of(address).unwrap_or_default();
            assert!(fault.contains(word), "{address}: {fault}");
        }
    }
}
