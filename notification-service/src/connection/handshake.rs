//! From an HTTP request to a running connection. Every refusal comes before the upgrade, as an HTTP status.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header::{self, HeaderValue},
    rt,
    web::{Data, Payload, Query},
};
use neonchat_common::{
    bus::Channel,
    correlation,
    error::{ApiError, ErrorCode},
    http::address::ClientAddress,
    ids::{ChatId, TokenId, UserId},
    security::{SecurityEvent, shown},
    security_event,
    token::{Claims, TokenError, bearer},
};
use serde::Deserialize;
use tokio::{
    sync::{AcquireError, SemaphorePermit},
    time::{Instant, timeout},
};

use super::{
    places::{Place, RETRY_AFTER},
    run::run,
    session::Session,
    wire::ActixWire,
};
use crate::{
    chat_service::UserChat,
    close::{CloseReason, RECONNECT_DELAY_MS},
    hub::{Hub, Socket},
    limits::UserLimits,
    state::State,
};

/// The subprotocol. A browser, which cannot set headers, offers it together with its token.
const SUBPROTOCOL: &str = "neonchat.v1";

/// What stands before a token that is offered as a subprotocol.
const BEARER_PREFIX: &str = "bearer.";

/// Handshakes that ask chat-service at the same time. Were it asked by thousands at once, when an instance was killed, say, all
/// would wait for longer than it has to answer, and most of what it does would be for nobody.
pub(crate) const MAX_HANDSHAKES: usize = 32;

/// The longest that a handshake waits for its turn. A client that finds no place may find one on another instance.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// The query of `/ws`.
#[derive(Deserialize)]
pub(crate) struct Parameters {
    token: Option<String>,
    /// As text, so that an error can name the parameter.
    chat_id: Option<String>,
}

/// `GET /ws`
pub(crate) async fn connect(
    request: HttpRequest,
    body: Payload,
    parameters: Query<Parameters>,
    state: Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Ok((response, wire)) = ActixWire::accept(&request, body, &[SUBPROTOCOL]).await else {
        return Ok(upgrade_required());
    };
    let address = ClientAddress::of_request(&request)?;
    check_origin(&request, address, &state)?;
    let Parameters { token, chat_id } = parameters.into_inner();
    let chat_id = chat_id.as_deref().map(parse_chat_id).transpose()?;
    let claims = authenticate(&request, token.as_deref(), &state).inspect_err(|error| {
        if *error == TokenError::Invalid {
            security_event!(SecurityEvent::TokenRejected, client.address = %address);
        }
    })?;
    let limits = state.limits.of(claims.user_id, Instant::now());
    limits.take_handshake(Instant::now())?;
    let place = state.places.take(address)?;
    let socket = {
        let _turn = turn(&limits, &state).await?;
        keep_away(&state).await?;
        admit(&claims, chat_id, &state).await.inspect_err(|error| {
            // Its signature was good: chat-service knows that it was revoked, or that its user does not exist.
            if error.code == ErrorCode::Unauthorized {
                security_event!(SecurityEvent::TokenRevoked, user.id = %claims.user_id, client.address = %address);
            }
        })?
    };

    state.presence.connected(&socket);
    let connection = serve(socket, claims, limits, wire, place, state.clone());
    // On this worker's runtime, since the stream of the request's body cannot leave it.
    rt::spawn(state.tasks.track(correlation::in_current_scope_untraced(connection)));
    Ok(response)
}

/// Waits until it is this handshake's turn to ask chat-service. A user's own handshakes wait for each other before they wait
/// for those of others.
async fn turn<'a>(limits: &'a UserLimits, state: &'a State) -> Result<[SemaphorePermit<'a>; 2], ApiError> {
    // The semaphores are never closed.
    let turns = async { Ok::<_, AcquireError>([limits.turns.acquire().await?, state.handshakes.acquire().await?]) };
    let turns = timeout(TURN_WAIT, turns).await.ok().and_then(Result::ok);
    turns.ok_or_else(|| ApiError::unavailable("WebSocket of this instance", "too many connect at once"))
}

/// The connection from here on. What it holds is given back on the one way out.
async fn serve(
    socket: Arc<Socket>,
    claims: Claims,
    limits: Arc<UserLimits>,
    wire: ActixWire,
    _place: Place,
    state: Data<State>,
) {
    tracing::info!(user.id = %socket.user, socket.id = %socket.id, "socket opened");
    if state.readiness.is_draining() {
        // It was half-way when the drain began.
        socket.outbox.close(CloseReason::Restart { after_ms: RECONNECT_DELAY_MS });
    }
    let session = Session::new(Arc::clone(&socket), &claims, limits, &state);
    let reason = run(&socket.outbox, &session, wire, state.settings).await;
    session.end();
    let left = state.hub.detach(&socket);
    state.presence.disconnected(socket.user, left);
    tracing::info!(user.id = %socket.user, socket.id = %socket.id, close.reason = ?reason, "socket closed");
}

/// A browser sends the origin of the page that asks, and lets any page open a WebSocket: it is here that a page of somebody
/// else is kept from talking in the name of its visitor (RFC 6455, section 10.2). Other clients send none.
fn check_origin(request: &HttpRequest, address: ClientAddress, state: &State) -> Result<(), ApiError> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if origin.to_str().is_ok_and(|origin| state.allowed_origins.allows(origin, host)) {
        Ok(())
    } else {
        let origin = shown(&String::from_utf8_lossy(origin.as_bytes()));
        security_event!(SecurityEvent::OriginRejected, client.address = %address, http.origin = %origin);
        Err(ApiError::new(ErrorCode::Forbidden, "Web pages of this origin are not allowed to connect."))
    }
}

fn parse_chat_id(text: &str) -> Result<ChatId, ApiError> {
    text.parse().map_err(|_| ApiError::invalid("chat_id", "format", "should be a UUID"))
}

/// Who it is, by the token in the query, in the header, or among the subprotocols. A header of another scheme is for somebody
/// else, such as a proxy that asks for `Basic`, and browsers send it on their own.
fn authenticate(request: &HttpRequest, query: Option<&str>, state: &State) -> Result<Claims, TokenError> {
    let values = |name| request.headers().get_all(name).filter_map(|value: &HeaderValue| value.to_str().ok());
    let header = || values(header::AUTHORIZATION).find_map(|authorization| bearer(authorization).ok());
    let offered = || {
        let protocols = values(header::SEC_WEBSOCKET_PROTOCOL).flat_map(|protocols| protocols.split(','));
        protocols.map(str::trim).find_map(|protocol| protocol.strip_prefix(BEARER_PREFIX))
    };
    state.tokens.verify(query.or_else(header).or_else(offered).ok_or(TokenError::Missing)?)
}

/// Refuses sockets while an older deployment uses the same Redis. Asks which deployment this is, where that is not known.
async fn keep_away(state: &State) -> Result<(), ApiError> {
    let deployments = &state.delivery.deployments;
    deployments.settle(&state.delivery.chat_service).await?;
    if deployments.must_yield() { Err(ApiError::away("WebSocket of this deployment")) } else { Ok(()) }
}

/// Enters the user and joins the chats. From here on the socket misses nothing.
async fn admit(claims: &Claims, scope: Option<ChatId>, state: &State) -> Result<Arc<Socket>, ApiError> {
    let user = claims.user_id;
    let entry = Entry::new(Arc::clone(&state.hub), user, state.settings.max_connections_per_user)?;
    // Before the chats are listed: a chat made meanwhile is either in the list or told on this channel.
    state.subscriptions.wait_for(Channel::User(user)).await;
    let chats = state.delivery.chat_service.chats_of(user, Some(claims.jti)).await?;
    if let Some(scope) = scope
        && !chats.iter().any(|chat| chat.id == scope)
    {
        return Err(ApiError::new(ErrorCode::Forbidden, "There is no such chat, or you are not a member of it."));
    }
    Ok(entry.attach(claims.jti, scope, &chats))
}

fn upgrade_required() -> HttpResponse {
    let error = ApiError::new(
        ErrorCode::UpgradeRequired,
        "This path accepts only WebSocket handshakes (RFC 6455, version 13).",
    );
    let mut response = error.error_response();
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response
}

/// A user who has entered the hub, and leaves it again if no socket comes of it: the client may be gone at any moment.
struct Entry {
    hub: Arc<Hub>,
    user: UserId,
    attached: bool,
}

impl Entry {
    /// Refused where the user has `max` sockets here already; 0 for any number.
    fn new(hub: Arc<Hub>, user: UserId, max: usize) -> Result<Self, ApiError> {
        let holders = hub.enter(user);
        let entry = Self { hub, user, attached: false };
        if max > 0 && holders > max {
            let error = ApiError::new(ErrorCode::RateLimited, format!("A user has at most {max} sockets."));
            return Err(ApiError { retry_after: Some(RETRY_AFTER), ..error });
        }
        Ok(entry)
    }

    fn attach(mut self, token: TokenId, scope: Option<ChatId>, chats: &[UserChat]) -> Arc<Socket> {
        self.attached = true;
        self.hub.attach(self.user, token, scope, chats)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.attached {
            self.hub.leave(self.user);
        }
    }
}
