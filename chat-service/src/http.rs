//! The HTTP edge: which handler has which path ([`router`]), and how a request is read ([`extract`]).

mod cors;
mod document;
mod documents;
pub(crate) mod extract;
pub(crate) mod problems;
pub(crate) mod rate_limit;
pub(crate) mod router;
pub(crate) mod routes;

pub(crate) use self::cors::cors;
