//! The address of `/health`, `/live`, `/ready` and `/metrics`.

use super::SettingsSource;

/// A separate address for the operations endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationsAddress {
    /// The host.
    pub host: String,
    /// The port. With 0 the system chooses one.
    pub port: u16,
}

impl OperationsAddress {
    /// Reads the address. Returns `None` if `port_name` is not set. The service then serves these endpoints on its public port.
    /// The host is `service_host` unless `host_name` is set.
    pub fn read(source: &mut SettingsSource, host_name: &str, port_name: &str, service_host: &str) -> Option<Self> {
        let host = source.optional(host_name).unwrap_or(service_host).to_owned();
        source.optional_port(port_name).map(|port| Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Option<OperationsAddress> {
        let mut source = SettingsSource::from_values(values.iter().copied());
        let address = OperationsAddress::read(&mut source, "HOST", "PORT", "0.0.0.0");
        source.finish().expect("read settings");
        address
    }

    #[test]
    fn needs_port_and_defaults_to_host_of_service() {
        let address = |host: &str| Some(OperationsAddress { host: host.to_owned(), port: 9090 });
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("HOST", "127.0.0.1"), ("PORT", "")]), None);
        assert_eq!(read(&[("PORT", "9090")]), address("0.0.0.0"));
        assert_eq!(read(&[("HOST", "127.0.0.1"), ("PORT", "9090")]), address("127.0.0.1"));
    }
}
