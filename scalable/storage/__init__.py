"""Files behind one small face, the one atomic write, and the one container of mappable arrays."""
