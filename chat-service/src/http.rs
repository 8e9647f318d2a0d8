//! The HTTP edge: the paths of the handlers ([`router`]), and the extractors of requests ([`extract`]).

mod cors;
mod document;
pub(crate) mod extract;
pub(crate) mod problems;
pub(crate) mod rate_limit;
pub(crate) mod router;
pub(crate) mod routes;
mod swagger_ui;

pub(crate) use self::cors::cors;
