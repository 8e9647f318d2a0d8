//! Work that is done again and again in the background.

use std::time::Duration;

use neonchat_common::tasks::Tasks;

use crate::db::DbResult;

/// Does some work now and after each interval, until the service stops. A failure is logged as `failure`, which says what could not be
/// done, and the work is tried again after the interval. Several instances may do it at the same time.
pub(crate) fn every<F>(tasks: &Tasks, interval: Duration, failure: &'static str, work: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = DbResult<()>> + Send + 'static,
{
    tasks.spawn_until_stopped(async move {
        let mut tick = tokio::time::interval(interval);
        loop {
            tick.tick().await;
            if let Err(error) = work().await {
                tracing::warn!(error.cause = %error, "{failure}, retrying later");
            }
        }
    });
}
