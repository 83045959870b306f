-- A small web shop. Nobody indexed what its reports look for: that is what makes them slow.
CREATE TABLE customers (
    id int PRIMARY KEY, email text NOT NULL, name text NOT NULL, country char(2) NOT NULL,
    registered_at timestamptz NOT NULL
);
CREATE TABLE products (
    id int PRIMARY KEY, name text NOT NULL, category text NOT NULL, price numeric(10, 2) NOT NULL, stock int NOT NULL
);
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int NOT NULL, placed_at timestamptz NOT NULL, status text NOT NULL,
    note text NOT NULL, total numeric(12, 2) NOT NULL
);
CREATE TABLE order_lines (
    id int PRIMARY KEY, order_id int NOT NULL, product_id int NOT NULL, quantity int NOT NULL,
    price numeric(10, 2) NOT NULL
);
INSERT INTO customers
SELECT n, 'customer' || n || '@mail.example', 'Customer ' || n, (ARRAY['DE', 'IT', 'FR', 'ES', 'NL', 'AT'])[1 + n % 6],
       now() - n * 37 % 900 * interval '1 day'
FROM generate_series(1, 4000) AS n;
INSERT INTO products
SELECT n, 'Product ' || n, (ARRAY['garden', 'kitchen', 'office', 'toys', 'sports'])[1 + n % 5],
       1 + n * 131 % 9900 / 100.0, 1000000
FROM generate_series(1, 600) AS n;
INSERT INTO orders
SELECT n, 1 + n::bigint * 7919 % 4000, now() - n * 13 % 500 * interval '1 day',
       (ARRAY['new', 'paid', 'shipped', 'returned'])[1 + n % 4],
       (ARRAY['leave at the door, ', 'express, ', 'gift wrapped, '])[1 + n % 3] || 'reference ' || n * 31 % 9973,
       n * 17 % 50000 / 100.0
FROM generate_series(1, 40000) AS n;
INSERT INTO order_lines
SELECT n, 1 + n * 3 % 40000, 1 + n::bigint * 7907 % 600, 1 + n % 5, 1 + n * 131 % 9900 / 100.0
FROM generate_series(1, 100000) AS n;
CREATE INDEX order_lines_order ON order_lines (order_id);
ANALYZE;
