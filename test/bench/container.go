package main

import "context"

func benchContainer(ctx context.Context, s *stand) ([]row, error) { return nil, nil }
