//! One GET, bounded in time and size, and what can go wrong with it.

use std::{error::Error as _, io, sync::OnceLock, time::Duration};

use bytes::BytesMut;
use reqwest::{Client, Url, header, redirect};

use crate::number::length;

/// Asks over HTTP. Cheap to clone; connections are kept and shared.
///
/// No proxy is used, whatever the environment says: a target is asked where it is, as Prometheus
/// does, and a proxy's own error page would be taken for the target's.
#[derive(Clone, Debug)]
pub(super) struct Http {
    /// For `http://`. It trusts no certificate, so it also works where no CA store exists.
    plain: Client,
    /// For `https://`, made when first needed, since it reads the machine's CA store.
    secure: std::sync::Arc<OnceLock<Result<Client, String>>>,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) content_type: String,
    pub(super) body: BytesMut,
}

/// Why a scrape gave no samples.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScrapeFailure {
    /// Nobody listens at the address.
    #[error("connection refused")]
    Refused,
    /// There was no whole answer in time.
    #[error("no whole answer within {}", length(*.0))]
    Timeout(Duration),
    /// The answer was not a success.
    #[error("answered with status {0}")]
    Status(u16),
    /// The answer was something else than samples.
    #[error("not exposition text: {0}")]
    NotExposition(String),
    /// The page is larger than allowed, after decompression.
    #[error("the page has more than {0} bytes")]
    TooLarge(u64),
    /// Anything else: a name that does not resolve, a connection that broke.
    #[error("{0}")]
    Other(String),
}

impl ScrapeFailure {
    /// The word for its kind in the ledger.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout(_) => "timeout",
            Self::Status(_) => "status",
            Self::NotExposition(_) => "not_exposition",
            Self::TooLarge(_) => "too_large",
            Self::Other(_) => "other",
        }
    }
}

impl Http {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { plain: builder().tls_certs_only([]).build()?, secure: Default::default() })
    }

    /// The body of `url`. Redirects are followed a few times, gzip is undone, and no more than
    /// `limit` bytes of the result are ever held.
    pub(super) async fn get(
        &self,
        url: &Url,
        accept: &str,
        timeout: Duration,
        limit: u64,
    ) -> Result<Answer, ScrapeFailure> {
        let failed = |error: reqwest::Error| failure(error, timeout);
        let request = self.client(url)?.get(url.clone()).timeout(timeout);
        let request = request.header(header::ACCEPT, accept);
        let mut response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(ScrapeFailure::Status(response.status().as_u16()));
        }
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(ScrapeFailure::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { content_type, body })
    }

    fn client(&self, url: &Url) -> Result<&Client, ScrapeFailure> {
        if url.scheme() != "https" {
            return Ok(&self.plain);
        }
        let made = self.secure.get_or_init(|| builder().build().map_err(|e| chain(&e)));
        made.as_ref().map_err(|why| ScrapeFailure::Other(why.clone()))
    }
}

/// Makes sure that TLS has its one provider; whoever came first is kept.
pub(super) fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing a race for it means that it is there, which is all that is wanted.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

fn builder() -> reqwest::ClientBuilder {
    install_tls();
    Client::builder()
        .user_agent(concat!("homeostat/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::limited(5))
}

fn failure(error: reqwest::Error, timeout: Duration) -> ScrapeFailure {
    if error.is_timeout() {
        return ScrapeFailure::Timeout(timeout);
    }
    // The address may carry a password; the caller names the target itself.
    let error = error.without_url();
    let mut source = error.source();
    while let Some(cause) = source {
        if cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
        {
            return ScrapeFailure::Refused;
        }
        source = cause.source();
    }
    ScrapeFailure::Other(chain(&error))
}

/// An error with its causes, each said once: the outermost alone tells too little.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}
