//! Leads every connection to its door: a place, its peer's address, and a watch for panics.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ferry_shared::socket::prefer_bbr;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;
use tracing::field::Empty;

use super::proxy_header::{self, ProxyError};
use crate::{
    admission::Ticket, connection, context::Context, counters::PanicWatch, door::Door, ssh, turned_away::Reason,
};

/// The interval of keep-alive probes on an idle connection, to notice a peer that disappeared.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long to try to tell a connection why it is not served.
const TELLING: Duration = Duration::from_secs(5);

/// Starts serving a connection that was just accepted.
pub(super) fn receive(
    door: Door,
    tcp: TcpStream,
    peer: SocketAddr,
    context: &Arc<Context>,
    tasks: &TaskTracker,
    place: OwnedSemaphorePermit,
) {
    let ticket = match context.admission.admit(peer.ip()) {
        Ok(ticket) => ticket,
        Err(error) => return context.turned_away.dropped(error.0, peer),
    };
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let tuned = tcp.set_nodelay(true).and_then(|()| SockRef::from(&tcp).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        return tracing::debug!(%peer, %error, "the connection was gone before it began");
    }
    prefer_bbr(&tcp);
    context.counters.connections.one(door);
    let context = Arc::clone(context);
    tasks.spawn(async move {
        // Panics in the work of a connection are counted there.
        let _watch = PanicWatch::new(Arc::clone(&context.counters));
        let _place = place;
        attend(door, tcp, peer, ticket, context).await;
    });
}

/// Serves one connection until it ends. A connection from a balancer is served as one of the client that the
/// balancer names.
async fn attend(door: Door, mut tcp: TcpStream, peer: SocketAddr, mut ticket: Ticket, context: Arc<Context>) {
    let deadline = Instant::now() + context.config.get().login.handshake();
    let named = tokio::select! {
        named = timeout_at(deadline, introduce(door, &mut tcp, peer, &ticket, &context)) => named,
        reason = ticket.dropped() => return context.turned_away.dropped(reason, peer),
        () = context.stop.cancelled() => return,
    };
    let peer = match named {
        Ok(Ok(named)) => named.unwrap_or(peer),
        Ok(Err(ProxyError::Closed)) => return,
        Ok(Err(error)) => {
            if context.turned_away.count(Reason::Proxy) {
                tracing::warn!(%peer, %error, "turned away: see login.balancers");
            }
            return;
        }
        Err(_) => return context.turned_away.too_slow(peer),
    };
    if ticket.is_balancer()
        && let Err(error) = ticket.comes_from(peer.ip())
    {
        return context.turned_away.dropped(error.0, peer);
    }
    serve(door, tcp, peer, ticket, deadline, context).await;
}

/// The client for which a balancer connects. No other peer may send a header.
async fn introduce(
    door: Door,
    tcp: &mut TcpStream,
    peer: SocketAddr,
    ticket: &Ticket,
    context: &Context,
) -> Result<Option<SocketAddr>, ProxyError> {
    if ticket.is_balancer() {
        let most = context.config.get().login.bytes.0;
        return Ok(Some(proxy_header::read(tcp, most).await?.unwrap_or(peer)));
    }
    // An SSH client may wait for the server to speak first; russh accepts nothing that begins like a header.
    if door == Door::Sftp {
        return Ok(None);
    }
    let mut first = [0; 16];
    let there = tcp.peek(&mut first).await?;
    if there == 0 {
        return Err(ProxyError::Closed);
    }
    match proxy_header::begins(&first[..there]) {
        true => Err(ProxyError::Broken("its sender is not listed")),
        false => Ok(None),
    }
}

/// Lets the door serve the connection; its handshake must be complete by the deadline.
#[tracing::instrument(
    level = "error", name = "connection", skip_all, fields(%door, %peer, session = Empty, user = Empty)
)]
async fn serve(door: Door, tcp: TcpStream, peer: SocketAddr, ticket: Ticket, deadline: Instant, context: Arc<Context>) {
    match door {
        Door::Ferry => connection::serve(tcp, peer, ticket, deadline, context).await,
        Door::Sftp => ssh::serve(tcp, peer, ticket, deadline, context).await,
    }
}

/// Tells a connection why it is not served, as long as that is cheap.
pub(super) fn tell_why(
    door: Door,
    mut tcp: TcpStream,
    peer: SocketAddr,
    context: &Arc<Context>,
    tasks: &TaskTracker,
    why: &str,
) {
    let Ok(place) = Arc::clone(&context.farewells).try_acquire_owned() else { return };
    let (context, why) = (Arc::clone(context), why.to_owned());
    tasks.spawn(async move {
        let _place = place;
        let told = async {
            if context.admission.is_balancer(peer.ip()) {
                let most = context.config.get().login.bytes.0;
                let Ok(_) = proxy_header::read(&mut tcp, most).await else { return };
            }
            match door {
                Door::Ferry => connection::turn_away(tcp, &context, &why).await,
                Door::Sftp => ssh::turn_away(tcp, &why).await,
            }
        };
        tokio::select! {
            // The connection is closed in any case.
            _ = timeout(TELLING, told) => {}
            () = context.stop.cancelled() => {}
        }
    });
}
