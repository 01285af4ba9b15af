-- SPDX-License-Identifier: Apache-2.0

-- Which of these files have been applied: one row, named kairn. Oldest is the
-- lowest Version that a proxy has to know so that it may use this schema.
CREATE TABLE IF NOT EXISTS SchemaVersion (
  Name STRING(MAX) NOT NULL,
  Version INT64 NOT NULL,
  Oldest INT64 NOT NULL,
) PRIMARY KEY (Name);

-- Who should own what: one row per service.
CREATE TABLE IF NOT EXISTS Placement (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Version INT64 NOT NULL,
  Incarnation STRING(MAX) NOT NULL,
  NextMember INT64 NOT NULL,
  `Table` BYTES(MAX),
) PRIMARY KEY (Bucket, Service);

-- The proxies that live, and until when: the lease.
CREATE TABLE IF NOT EXISTS Members (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Member INT64 NOT NULL,
  Uid STRING(MAX) NOT NULL,
  Nonce STRING(MAX) NOT NULL,
  RenewedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
) PRIMARY KEY (Bucket, Service, Member);

-- Where each lane stands: one row per lane, whose number grows with each commit.
CREATE TABLE IF NOT EXISTS Lanes (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Member INT64 NOT NULL,
  Lane INT64 NOT NULL,
  N INT64 NOT NULL,
  Ok BOOL,
) PRIMARY KEY (Bucket, Service, Member, Lane, N),
  INTERLEAVE IN PARENT Members ON DELETE CASCADE;

-- The entity instances that were ever written: the parents of their rows. Stored
-- is not true where there are only replies of commands that wrote nothing else.
CREATE TABLE IF NOT EXISTS Instances (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Shard INT64 NOT NULL,
  Entity BYTES(MAX) NOT NULL,
  Key BYTES(MAX) NOT NULL,
  Stored BOOL,
) PRIMARY KEY (Bucket, Service, Shard, Entity, Key);

CREATE TABLE IF NOT EXISTS Events (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Shard INT64 NOT NULL,
  Entity BYTES(MAX) NOT NULL,
  Key BYTES(MAX) NOT NULL,
  Seq INT64 NOT NULL,
  Type STRING(MAX) NOT NULL,
  Payload BYTES(MAX) NOT NULL,
) PRIMARY KEY (Bucket, Service, Shard, Entity, Key, Seq),
  INTERLEAVE IN PARENT Instances ON DELETE NO ACTION;

CREATE TABLE IF NOT EXISTS Snapshots (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Shard INT64 NOT NULL,
  Entity BYTES(MAX) NOT NULL,
  Key BYTES(MAX) NOT NULL,
  Seq INT64 NOT NULL,
  Deleted BOOL NOT NULL,
  Type STRING(MAX) NOT NULL,
  Payload BYTES(MAX) NOT NULL,
) PRIMARY KEY (Bucket, Service, Shard, Entity, Key),
  INTERLEAVE IN PARENT Instances ON DELETE NO ACTION;

-- The row of a value that was deleted stays, for its version.
CREATE TABLE IF NOT EXISTS `Values` (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Shard INT64 NOT NULL,
  Entity BYTES(MAX) NOT NULL,
  Key BYTES(MAX) NOT NULL,
  Version INT64 NOT NULL,
  Exist BOOL NOT NULL,
  Type STRING(MAX) NOT NULL,
  Payload BYTES(MAX) NOT NULL,
  Expires TIMESTAMP,
) PRIMARY KEY (Bucket, Service, Shard, Entity, Key),
  INTERLEAVE IN PARENT Instances ON DELETE NO ACTION,
  ROW DELETION POLICY (OLDER_THAN(Expires, INTERVAL 1 DAY));

-- What commands with an idempotency key were answered.
CREATE TABLE IF NOT EXISTS Replies (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Shard INT64 NOT NULL,
  Entity BYTES(MAX) NOT NULL,
  Key BYTES(MAX) NOT NULL,
  IdemKey BYTES(MAX) NOT NULL,
  Reply BYTES(MAX) NOT NULL,
  Expires TIMESTAMP,
) PRIMARY KEY (Bucket, Service, Shard, Entity, Key, IdemKey),
  INTERLEAVE IN PARENT Instances ON DELETE NO ACTION,
  ROW DELETION POLICY (OLDER_THAN(Expires, INTERVAL 0 DAY));

-- What is to be sent to others. Rows of one instance are in their order.
CREATE TABLE IF NOT EXISTS Outbox (
  Bucket INT64 NOT NULL,
  Service STRING(MAX) NOT NULL,
  Shard INT64 NOT NULL,
  Entity BYTES(MAX) NOT NULL,
  Key BYTES(MAX) NOT NULL,
  Member INT64 NOT NULL,
  N INT64 NOT NULL,
  Entry BYTES(MAX) NOT NULL,
) PRIMARY KEY (Bucket, Service, Shard, Entity, Key, Member, N);
