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
    resources: Vec<(String, Vec<Route>)>,
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
                self.add(path.clone(), vec![web::method(method).to(handler.clone())]);
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
            for (path, routes) in self.resources {
                config.service(routes.into_iter().fold(web::resource(path), actix_web::Resource::route));
            }
        };
        (register, self.document)
    }

    fn add(&mut self, path: String, routes: Vec<Route>) {
        match self.resources.iter_mut().find(|(known, _)| *known == path) {
            Some((_, known)) => known.extend(routes),
            None => self.resources.push((path, routes)),
        }
    }
}

fn methods(item: &PathItem) -> impl Iterator<Item = Method> {
    let operations = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    operations.into_iter().filter(|(_, operation)| operation.is_some()).map(|(method, _)| method)
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
