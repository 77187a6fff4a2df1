//! Targets by `https`, with a certificate authority of the hypothesis and a token, on loopback.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    collect::{
        Collector,
        http::install_tls,
        prometheus::Asked,
        scrape::testing,
        seen::{ScrapeSeen, Seen},
    },
    hypothesis::model::{MetricsSource, ScrapeSource, Sources},
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");
const CERTIFICATE: &[u8] = include_bytes!("../../../tests/data/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../../tests/data/tls/server.key");

/// A server that answers every request with the token it was given. Its thread ends with the
/// process of the test.
fn server() -> String {
    install_tls();
    let config = ServerConfig::builder().with_no_client_auth();
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = Arc::new(config.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}/metrics", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = stream.unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4096];
            // A client that does not trust us hangs up here.
            let Ok(length) = tls.read(&mut request) else { continue };
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let token = request.lines().find_map(|line| line.strip_prefix("authorization: "));
            let page = format!("a{{token=\"{}\"}} 1\n", token.unwrap_or("none"));
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{page}", page.len());
            tls.write_all(answer.as_bytes()).unwrap();
            tls.conn.send_close_notify();
            // The client may be gone already.
            drop(tls.flush());
        }
    });
    address
}

async fn scrape(change: impl FnOnce(&mut ScrapeSource)) -> ScrapeSeen {
    let mut source = testing::targets(vec![server()]);
    change(&mut source);
    let (sender, mut seen) = mpsc::channel(8);
    let sources = Sources { metrics: Some(MetricsSource::Scrape(source)), kubernetes: None };
    let _collector =
        Collector::start(&sources, &Asked::default(), Clock::system(), sender).await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(30), seen.recv()).await.unwrap();
    let Some(Seen::Scrape(scrape)) = next else { panic!("{next:?}") };
    scrape
}

fn ca(source: &mut ScrapeSource) {
    source.ca_file = Some(format!("{DATA}/ca.pem"));
}

#[tokio::test]
async fn a_target_is_trusted_by_the_authority_that_is_named() {
    let seen = scrape(ca).await;
    assert_eq!(seen.failed, None);
    assert_eq!(seen.rows[0].labels.get("token"), Some("none"));
}

#[tokio::test]
async fn a_target_that_nothing_vouches_for_is_unreachable() {
    for trusted in ["", "/server.pem"] {
        let seen = scrape(|source| {
            // A certificate that is no authority vouches for nobody, not even for itself.
            source.ca_file = (!trusted.is_empty()).then(|| format!("{DATA}{trusted}"));
        });
        let failed = seen.await.failed.unwrap();
        assert_eq!(failed.class(), "unreachable", "{failed}");
        assert!(failed.to_string().contains("certificate"), "{failed}");
    }
}

#[tokio::test]
async fn the_token_is_read_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    fs_err::write(&file, "t0ken\n").unwrap();
    let seen = scrape(|source| {
        ca(source);
        source.bearer_token_file = Some(file.to_str().unwrap().to_owned());
    });
    assert_eq!(seen.await.rows[0].labels.get("token"), Some("Bearer t0ken"));
}
