//! Requests to the REST API.

use std::{error::Error, iter::successors, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use url::Url;

use super::tls::{Connector, Tls};
use crate::core::{Answer, Request};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer, in bytes. A page of a thousand events with the longest texts has a quarter of it.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;
const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// An HTTP client of chat-service. It follows no redirects: the API has none, and that of a proxy would be told the password.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    base: Url,
    client: Client<Connector, Full<Bytes>>,
    tls: Tls,
}

type Failure = Box<dyn Error + Send + Sync>;

impl Http {
    /// Returns a client of `base`, such as `http://localhost:8080`.
    pub(crate) fn new(base: Url, tls: Tls) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        // It is below TLS too.
        tcp.enforce_http(false);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(tls.http(tcp));
        Self { base, client, tls }
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
        let answer = answer(self.client.clone(), url.clone(), request, token);
        async move {
            let answer = timeout(TIMEOUT, answer).await.unwrap_or_else(|_| Err("not within 30 s".into()));
            // The URL has no secrets.
            answer.map_err(|error| format!("{url}: {}", with_causes(&*error)))
        }
    }
}

/// Returns what is wrong, and why.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn answer(
    client: Client<Connector, Full<Bytes>>,
    url: Url,
    request: Request,
    token: Option<String>,
) -> Result<Answer, Failure> {
    let method = Method::from_bytes(request.method.as_bytes())?;
    let mut builder = http::Request::builder().method(method).uri(url.as_str());
    builder = builder.header(USER_AGENT, AGENT).header(ACCEPT, "application/json");
    if let Some(token) = token {
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
        value.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, value);
    }
    if request.body.is_some() {
        builder = builder.header(CONTENT_TYPE, "application/json");
    }
    let body = request.body.map(|body| body.to_string()).unwrap_or_default();
    let response = client.request(builder.body(Full::from(body))?).await?;
    let status = response.status().as_u16();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
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
        let http = Http::new(base.parse().expect("URL"), Tls::unused().expect("no TLS"));
        let answer = async {
            let request = Request { body: Some("secret".into()), ..Request::new("POST", "/auth/login") };
            tokio::time::timeout(Duration::from_secs(10), http.request(request, None)).await
        };
        let ((), answer) = tokio::join!(server, answer);
        let answer = answer.expect("not sent to where it leads").expect("answer");
        assert_eq!((answer.status, answer.retry_after_ms), (307, Some(u64::MAX)));
    }
}
