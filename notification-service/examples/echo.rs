//! A WebSocket server that echoes every text: `echo PORT`. The Autobahn test suite runs against it (docs/TESTING.md).

use std::env;

use actix_web::{App, HttpRequest, HttpResponse, web};
use anyhow::Context as _;
use neonchat_common::http::server::{ServerLimits, bind, server};
use notification_service::{
    config::SocketSettings,
    test_support::{DISCONNECT_TIMEOUT, accept},
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = env::args().nth(1).and_then(|port| port.parse().ok()).context("usage: echo PORT")?;
    let listener = bind("127.0.0.1", port, "port").await?;
    let bounds = ServerLimits { disconnect: DISCONNECT_TIMEOUT, ..ServerLimits::default() };
    let server = server(listener, bounds, || App::new().route("/", web::get().to(echo)))?;
    println!("ws://127.0.0.1:{port}");
    Ok(server.await?)
}

async fn echo(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    accept(&request, body, SocketSettings::WITHOUT_LIMITS, |text| text).await
}
