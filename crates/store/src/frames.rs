//! The frames that browsers were sent, kept so that a reconnecting one can resume.

use crate::database::{Row, Tx, sql};
use crate::statement::Value;
use crate::{Store, StoreError};

/// One numbered frame as it went over the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRow {
    /// Its place in its epoch.
    pub seq: i64,
    /// When it was published, UTC milliseconds.
    pub at: i64,
    /// The event as JSON, with what decides who may see it.
    pub frame: String,
}

impl FrameRow {
    /// Its columns, in the order epoch, seq, at, frame.
    pub(crate) fn values(&self, epoch: &str) -> Vec<Value> {
        vec![Value::text(epoch), Value::from(self.seq), Value::from(self.at), Value::text(&self.frame)]
    }
}

/// Where the numbering of frames stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// The epoch; another one means that cursors of the old one get a snapshot.
    pub epoch: String,
    /// The number of the last frame.
    pub last_seq: i64,
}

impl Store {
    /// Continues the numbering where a clean stop left it, or starts `fresh_epoch`.
    ///
    /// A frame may have been seen without having been committed when the process died, so only a clean stop can be
    /// continued without using a number twice. The mark of the clean stop is taken away here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_numbering(&self, fresh_epoch: &str) -> Result<Numbering, StoreError> {
        let mut tx = self.pool.begin().await?;
        let mark = sql("SELECT value FROM server_state WHERE name = 'frames_clean'");
        let mark = mark.fetch_optional(&mut tx).await?;
        let clean: Option<String> = mark.map(|row| row.try_get("value")).transpose()?;
        forget_clean_stop(&mut tx).await?;
        tx.commit().await?;
        let continued = clean.as_deref().and_then(|mark| mark.rsplit_once(':')).and_then(|(epoch, seq)| {
            Some(Numbering { epoch: epoch.to_owned(), last_seq: seq.parse().ok()? })
        });
        Ok(continued.unwrap_or_else(|| Numbering { epoch: fresh_epoch.to_owned(), last_seq: 0 }))
    }

    /// Marks a clean stop, after which the numbering can be continued.
    ///
    /// # Errors
    /// When the database fails; the next start then begins a new epoch.
    pub async fn leave_numbering(&self, numbering: &Numbering) -> Result<(), StoreError> {
        sql("INSERT INTO server_state (name, value) VALUES ('frames_clean', $1) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(format!("{}:{}", numbering.epoch, numbering.last_seq))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns at most `limit` frames of `epoch` after `seq` up to `until`, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn frames_between(
        &self,
        epoch: &str,
        seq: i64,
        until: i64,
        limit: u32,
    ) -> Result<Vec<FrameRow>, StoreError> {
        let rows = sql(
            "SELECT seq, at, frame FROM frames WHERE epoch = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4",
        )
        .bind(epoch)
        .bind(seq)
        .bind(until)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(frame_of).collect()
    }

    /// Returns the number before the oldest frame kept of `epoch`: an older cursor cannot be resumed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn frames_floor(&self, epoch: &str) -> Result<Option<i64>, StoreError> {
        let row = sql("SELECT MIN(seq) AS oldest FROM frames WHERE epoch = $1").bind(epoch);
        let oldest: Option<i64> = row.fetch_one(&self.pool).await?.try_get("oldest")?;
        Ok(oldest.map(|seq| seq - 1))
    }

    /// Forgets the frames published before `before` (UTC milliseconds) and returns how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_frames(&self, before: i64) -> Result<u64, StoreError> {
        Ok(sql("DELETE FROM frames WHERE at < $1").bind(before).execute(&self.pool).await?)
    }
}

/// Takes the mark of a clean stop away: what is numbered next begins a new epoch.
pub(crate) async fn forget_clean_stop(tx: &mut Tx) -> Result<(), StoreError> {
    sql("DELETE FROM server_state WHERE name = 'frames_clean'").execute(tx).await?;
    Ok(())
}

fn frame_of(row: &Row) -> Result<FrameRow, StoreError> {
    Ok(FrameRow { seq: row.try_get("seq")?, at: row.try_get("at")?, frame: row.try_get("frame")? })
}
