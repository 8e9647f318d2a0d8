//! Registers handlers and collects their documentation, both from the `#[utoipa::path]` of the handler.

use actix_web::{
    FromRequest, Handler, Responder, Route,
    http::Method,
    web::{self, ServiceConfig},
};
use utoipa::openapi::{OpenApi, PathItem};

/// Paths that are not registered yet.
///
/// All handlers of a path become one resource, so an unsupported method is answered with 405. (With actix's own
/// `#[get]`, each handler is a separate resource, and the answer is 404.)
#[derive(Default)]
pub(crate) struct Routes {
    /// In the order of matching: `/users/me` before `/users/{id}`.
    resources: Vec<(String, Vec<(Method, Route)>)>,
    document: OpenApi,
}

impl Routes {
    /// Adds a handler with the path and method of its document.
    pub(crate) fn with<F, Args>(mut self, document: OpenApi, handler: &F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        for (path, item) in &document.paths.paths {
            for method in methods(item) {
                let route = web::method(method.clone()).to(handler.clone());
                self.add(path.clone(), vec![(method, route)]);
            }
        }
        self.document.merge(document);
        self
    }

    /// Appends other routes. Earlier ones are matched first.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (path, routes) in other.resources {
            self.add(path, routes);
        }
        self.document.merge(other.document);
        self
    }

    /// Returns the function that registers the routes, and their document.
    pub(crate) fn split(self) -> (impl FnOnce(&mut ServiceConfig), OpenApi) {
        let register = |config: &mut ServiceConfig| {
            for (path, mut routes) in self.resources {
                // In the order of the document, also if several modules have routes of the path.
                routes.sort_by_key(|(method, _)| METHODS.iter().position(|known| known == method));
                let routes = routes.into_iter().map(|(_, route)| route);
                config.service(routes.fold(web::resource(path), actix_web::Resource::route));
            }
        };
        (register, self.document)
    }

    fn add(&mut self, path: String, routes: Vec<(Method, Route)>) {
        match self.resources.iter_mut().find(|(known, _)| *known == path) {
            Some((_, known)) => known.extend(routes),
            None => self.resources.push((path, routes)),
        }
    }
}

/// The methods of handlers, in the order of the document.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

fn methods(item: &PathItem) -> impl Iterator<Item = Method> {
    let operations = [&item.get, &item.post, &item.put, &item.patch, &item.delete];
    METHODS.into_iter().zip(operations).filter(|(_, operation)| operation.is_some()).map(|(method, _)| method)
}

/// Makes [`Routes`] from handlers with `#[utoipa::path]`.
macro_rules! routes {
    ($($handler:ident),+ $(,)?) => {
        $crate::http::routes::Routes::default()$(.with(
            {
                #[derive(utoipa::OpenApi)]
                #[openapi(paths($handler))]
                struct Operation;
                <Operation as utoipa::OpenApi>::openapi()
            },
            &$handler,
        ))+
    };
}

pub(crate) use routes;
