// Placeholder so that the folder builds from the first commit; removed with its first real source.
