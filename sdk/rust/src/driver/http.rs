//! Requests to the REST API.

use std::{fmt::Display, time::Duration};

use reqwest::{Method, header::RETRY_AFTER, redirect::Policy};
use url::Url;

use super::tls::Tls;
use crate::core::{Answer, Request};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP client of chat-service.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    base: Url,
    client: reqwest::Client,
    tls: Tls,
}

impl Http {
    /// Whether https is possible.
    pub(crate) const HAS_TLS: bool = Tls::IS_AVAILABLE;

    /// Returns a client of `base`, such as `http://localhost:8080`.
    pub(crate) fn new(base: Url) -> Result<Self, String> {
        let text = |error: &dyn Display| error.to_string();
        let tls = Tls::load().map_err(|error| text(&error))?;
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        // The API has no redirects; that of a proxy would be told the password.
        let builder = tls.http(reqwest::Client::builder().timeout(TIMEOUT).user_agent(agent).redirect(Policy::none()));
        Ok(Self { base, client: builder.build().map_err(|error| text(&error))?, tls })
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Makes a request. The error says why there was no answer.
    pub(crate) fn request(
        &self,
        request: Request,
        token: Option<String>,
    ) -> impl Future<Output = Result<Answer, String>> + Send + use<> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/api/v1{}", self.base.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let method = Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
        let mut builder = self.client.request(method, url);
        if let Some(token) = token {
            builder = builder.bearer_auth(token);
        }
        if let Some(body) = request.body {
            builder = builder.json(&body);
        }
        // The error has the URL in it, which has no secrets.
        async move { answer(builder).await.map_err(|error| with_causes(&error)) }
    }
}

/// Returns what is wrong, and why.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn answer(builder: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = builder.send().await?;
    let status = response.status().as_u16();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let body = response.text().await?;
    Ok(Answer { status, retry_after_ms: seconds.map(|seconds| seconds.saturating_mul(1000)), body })
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn follows_no_redirect() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        let location = format!("{base}/elsewhere");
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).await.expect("read") > 0);
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\nretry-after: 18446744073709551615\r\n\
                 content-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.expect("write");
        };
        let http = Http::new(base.parse().expect("URL")).expect("client");
        let answer = async {
            let request = Request { body: Some("secret".into()), ..Request::new("POST", "/auth/login") };
            tokio::time::timeout(Duration::from_secs(10), http.request(request, None)).await
        };
        let ((), answer) = tokio::join!(server, answer);
        let answer = answer.expect("not sent to where it leads").expect("answer");
        assert_eq!((answer.status, answer.retry_after_ms), (307, Some(u64::MAX)));
    }
}
