//! The clients of every source, one GET that is bounded in time and size, and what can go wrong.

use std::{
    error::Error as _,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::BytesMut;
use reqwest::{Certificate, Client, Url, header, redirect};

use super::{
    held::{Charge, Held},
    seen::ScrapeFailure,
};
use crate::causes::with_causes;

/// The most redirects that are followed for one answer.
const MAX_REDIRECTS: usize = 5;

/// Asks over HTTP. Cheap to clone; connections are kept and shared.
///
/// No proxy is used, whatever the environment says: a target is asked where it is, as Prometheus
/// does, and a proxy's own error page would be taken for the target's.
#[derive(Clone, Debug)]
pub(super) struct Http {
    /// For `http://`. It trusts no certificate, so it also works where no CA store exists.
    plain: Client,
    /// For `https://`, made when first needed, since it may read the machine's CA store.
    secure: Arc<OnceLock<Result<Client, String>>>,
    /// The only certificates that are trusted, when they are given.
    trusted: Option<Vec<Certificate>>,
    /// What all answers under way hold.
    held: Arc<Held>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) url: &'a Url,
    pub(super) accept: &'a str,
    pub(super) timeout: Duration,
    /// The most bytes of the body, after decompression.
    pub(super) limit: u64,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) content_type: String,
    pub(super) body: BytesMut,
    /// Given back with the body.
    _charge: Charge,
}

/// A redirect that is not followed.
#[derive(Debug, thiserror::Error)]
enum Astray {
    #[error("redirects to another place, `{0}`: name that one if it is meant")]
    Elsewhere(String),
    #[error("redirects more than {MAX_REDIRECTS} times")]
    InCircles,
}

impl Http {
    /// `trusted` are the certificates that `https` is trusted by; without them, the machine's.
    pub(super) fn new(trusted: Option<Vec<Certificate>>) -> Result<Self, reqwest::Error> {
        let plain = builder().tls_certs_only([]).build()?;
        Ok(Self { plain, secure: Arc::default(), trusted, held: Arc::default() })
    }

    /// The answer to a question. Gzip is undone, and no more than the limit is ever held.
    pub(super) async fn get(&self, ask: Ask<'_>) -> Result<Answer, ScrapeFailure> {
        self.get_as(ask, None).await
    }

    /// The same with a bearer token, which goes nowhere else: see `builder`.
    pub(super) async fn get_as(
        &self,
        ask: Ask<'_>,
        token: Option<&str>,
    ) -> Result<Answer, ScrapeFailure> {
        let Ask { url, accept, timeout, limit } = ask;
        let failed = |error: reqwest::Error| failure(error, timeout);
        let request = self.client(url)?.get(url.clone()).timeout(timeout);
        let mut request = request.header(header::ACCEPT, accept);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
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
        let mut charge = Charge::none(Arc::clone(&self.held));
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(ScrapeFailure::TooLarge(limit));
            }
            if !charge.grow_to(body.len() + chunk.len()) {
                return Err(ScrapeFailure::NoRoom);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { content_type, body, _charge: charge })
    }

    /// The client for an address.
    pub(super) fn client(&self, url: &Url) -> Result<&Client, ScrapeFailure> {
        if url.scheme() != "https" {
            return Ok(&self.plain);
        }
        let made = self.secure.get_or_init(|| {
            let builder = match &self.trusted {
                Some(trusted) => builder().tls_certs_only(trusted.clone()),
                None => builder(),
            };
            builder.build().map_err(|error| with_causes(&error))
        });
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

/// Redirects are followed within the place that was named, scheme, host and port. A page that
/// could lead elsewhere would choose what we ask in our network, and whom we give the token.
fn builder() -> reqwest::ClientBuilder {
    install_tls();
    let redirects = redirect::Policy::custom(|attempt| {
        let named = attempt.previous().first().unwrap_or(attempt.url()).origin();
        if attempt.url().origin() != named {
            let place = shown(attempt.url());
            attempt.error(Astray::Elsewhere(place))
        } else if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error(Astray::InCircles)
        } else {
            attempt.follow()
        }
    });
    Client::builder()
        .user_agent(concat!("homeostat/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirects)
}

/// What went wrong with a request.
pub(super) fn failure(error: reqwest::Error, timeout: Duration) -> ScrapeFailure {
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
        if let Some(astray) = cause.downcast_ref::<Astray>() {
            return ScrapeFailure::Redirect(astray.to_string());
        }
        source = cause.source();
    }
    let why = with_causes(&error);
    if error.is_connect() { ScrapeFailure::Unreachable(why) } else { ScrapeFailure::Broken(why) }
}

/// An address without user, password, query and fragment: any of them may hold a secret.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses that cannot have a user, which then have nothing to hide.
    url.set_username("").unwrap_or_default();
    url.set_password(None).unwrap_or_default();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
