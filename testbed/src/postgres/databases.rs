//! The databases of a server.

use tokio_postgres::{Client, NoTls};

/// Creates a database on the server at `url`, if it does not exist.
///
/// # Errors
/// The server refuses.
pub async fn create_database(url: &str, name: &str) -> anyhow::Result<()> {
    run(url, async |client| {
        if !has_database(client, name).await? {
            client.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await?;
        }
        Ok(())
    })
    .await
}

/// Creates a database as a copy of `template`. The first process that needs the template creates it and has `prepare` fill it, while
/// the others wait. Nothing may be connected to it afterwards.
///
/// # Errors
/// The server refuses, or `prepare` fails.
pub async fn copy_database(
    url: &str,
    name: &str,
    template: &str,
    prepare: impl AsyncFnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    run(url, async |client| {
        if !has_database(client, template).await? {
            // Held until this connection ends.
            client.batch_execute("SELECT pg_advisory_lock(1)").await?;
            if !has_database(client, template).await? {
                // It has its name when it is complete.
                let draft = format!("{template}_draft");
                client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{draft}\"")).await?;
                client.batch_execute(&format!("CREATE DATABASE \"{draft}\"")).await?;
                prepare(&with_database(url, &draft)).await?;
                client.batch_execute(&format!("ALTER DATABASE \"{draft}\" RENAME TO \"{template}\"")).await?;
            }
        }
        Ok(client.batch_execute(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"")).await?)
    })
    .await
}

/// Runs `work` on a connection of its own.
async fn run(url: &str, work: impl AsyncFnOnce(&Client) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let work = async {
        let done = work(&client).await;
        // The connection ends with it.
        drop(client);
        done
    };
    let (done, connection) = tokio::join!(work, connection);
    done?;
    Ok(connection?)
}

async fn has_database(client: &Client, name: &str) -> anyhow::Result<bool> {
    Ok(client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await?.is_some())
}

/// Returns the URL of another database of the server at `url`.
#[must_use]
pub fn with_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap_or((url, ""));
    format!("{server}/{name}")
}
