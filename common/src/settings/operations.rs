//! Where `/health`, `/live`, `/ready` and `/metrics` are served.

use super::SettingsSource;

/// An address for the operations endpoints alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationsAddress {
    /// The host.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

impl OperationsAddress {
    /// Reads it. `None` if `port_name` is not set: the service then serves these endpoints on its public port. The host is
    /// `service_host` unless `host_name` is set.
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
        source.finish().expect("settings");
        address
    }

    #[test]
    fn is_set_by_its_port_and_has_the_service_host_by_default() {
        let address = |host: &str| Some(OperationsAddress { host: host.to_owned(), port: 9090 });
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("HOST", "127.0.0.1"), ("PORT", "")]), None);
        assert_eq!(read(&[("PORT", "9090")]), address("0.0.0.0"));
        assert_eq!(read(&[("HOST", "127.0.0.1"), ("PORT", "9090")]), address("127.0.0.1"));
    }
}
