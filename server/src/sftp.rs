//! SFTP over one channel: not served yet.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use crate::visit::Visit;

/// Serves one SFTP channel until the peer closes it or the session ends.
pub(crate) async fn serve<S>(visit: Visit, mut stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    tracing::debug!(user = %visit.session.user.name, "SFTP is not served yet");
    let _ = stream.read_u8().await;
}
