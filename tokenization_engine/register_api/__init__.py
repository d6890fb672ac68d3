"""The register over HTTP: CAD Trust's own paths, records one by one, batches, a view for buyers, and jobs to start."""
