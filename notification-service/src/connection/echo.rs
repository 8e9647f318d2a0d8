//! An echo over the loop and the wire of a connection: what Autobahn's test suite is run against (docs/TESTING.md). Not
//! part of the service.

use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, rt, web};
use bytestring::ByteString;
use neonchat_common::{
    error::ApiError,
    http::server::{Bounds, bind, server},
};
use tokio::time::Instant;

use super::{
    run::{Handler, run},
    wire::{ActixWire, DISCONNECT_TIMEOUT},
};
use crate::{config::SocketSettings, hub::outbox::Outbox, protocol::Frame};

/// The defaults, without a limit on frames a second.
const SETTINGS: SocketSettings = SocketSettings {
    max_connections: 1,
    max_connections_per_user: 0,
    max_connections_per_address: 0,
    messages_per_second: 0,
    heartbeat: Duration::from_secs(30),
    read_timeout: Duration::from_mins(1),
    write_timeout: Duration::from_secs(10),
};

/// Serves at a port of 127.0.0.1 until it is ended: every text comes back as it is. Calls `bound` once it listens.
///
/// # Errors
/// The port is taken.
pub async fn serve(port: u16, bound: impl FnOnce()) -> anyhow::Result<()> {
    let listener = bind("127.0.0.1", port, "port").await?;
    let bounds = Bounds { disconnect: DISCONNECT_TIMEOUT, ..Bounds::default() };
    let server = server(listener, bounds, || App::new().route("/", web::get().to(connect)))?;
    bound();
    Ok(server.await?)
}

async fn connect(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, wire) = ActixWire::accept(&request, body, &[]).await?;
    rt::spawn(async { run(&Outbox::default(), &Echo, wire, SETTINGS).await });
    Ok(response)
}

struct Echo;

impl Handler for Echo {
    async fn text(&self, text: ByteString) -> Option<Frame> {
        Some(Frame::opaque(text))
    }

    fn count(&self) -> Result<(), ApiError> {
        Ok(())
    }

    fn expires(&self) -> Instant {
        Instant::now() + Duration::from_hours(24)
    }
}
