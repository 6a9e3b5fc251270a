"""Two clouds (拠点): what joins them, what keeps them apart, and who says which of them serves."""
