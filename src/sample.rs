//! Sample: generated inputs of any size, every outcome that data alone can cause among them.
