//! Checks whether a server that starts now could listen where its configuration says.

use std::{io, net::SocketAddr};

use crate::{config::Config, own_files::ServiceUser, server};

/// Facts about the ports besides the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holders {
    /// The server is running and uses its ports itself.
    pub(super) is_running: bool,
    /// systemd holds the port for clients.
    pub(super) socket: bool,
    /// systemd holds the port for SFTP.
    pub(super) sftp: bool,
    /// systemd holds the port for the metrics.
    pub(super) metrics: bool,
}

/// The addresses that cannot be used, and why.
pub(super) fn faults(config: &Config, user: Option<&ServiceUser>, holders: Holders) -> Vec<String> {
    let clients = config.server.listen.iter().filter(|_| !holders.socket).map(|address| ("server.listen", *address));
    let sftp = config.sftp.listen.iter().filter(|_| !holders.sftp).map(|address| ("sftp.listen", *address));
    let metrics = config.metrics.listen.filter(|_| !holders.metrics).map(|address| ("metrics.listen", address));
    let fault = |(key, address): (&str, SocketAddr)| {
        // Root may use any port.
        let tried = || server::can_take(address);
        let error = user.and_then(|user| user.see(tried)).unwrap_or_else(tried).err()?;
        let is_own = holders.is_running && error.kind() == io::ErrorKind::AddrInUse;
        let next = server::next_step(&error);
        (!is_own).then(|| format!("{key}: cannot listen on {address}: {error}{next}"))
    };
    clients.chain(sftp).chain(metrics).filter_map(fault).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_of_another_program_and_an_address_of_another_machine_are_faults() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default();
        config.server.listen = vec![taken.local_addr().unwrap()];
        let found = |config: &Config, holders| faults(config, None, holders).join("\n");
        let told = found(&config, Holders::default());
        assert!(told.starts_with("server.listen: cannot listen on 127.0.0.1:") && told.contains("ss -ltnp"), "{told}");
        assert_eq!(found(&config, Holders { is_running: true, ..Holders::default() }), "");
        assert_eq!(found(&config, Holders { socket: true, ..Holders::default() }), "");
        config.server.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.sftp.listen = vec![taken.local_addr().unwrap()];
        assert!(found(&config, Holders::default()).starts_with("sftp.listen: cannot listen on 127.0.0.1:"));
        assert_eq!(found(&config, Holders { sftp: true, ..Holders::default() }), "");
        config.sftp.listen = Vec::new();
        config.metrics.listen = Some("192.0.2.1:9".parse().unwrap());
        let told = found(&config, Holders { is_running: true, ..Holders::default() });
        assert!(told.starts_with("metrics.listen: cannot listen on 192.0.2.1:9: "), "{told}");
        assert_eq!(found(&config, Holders { metrics: true, ..Holders::default() }), "");
    }
}
