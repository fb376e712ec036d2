//! Named blobs: Azure Storage, or a folder.
