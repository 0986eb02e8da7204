// <define:VENDORED>
var define_VENDORED_default = { "earth-110m.json": "/static/vendor/earth-110m.json?v=153911ebe43e48bde8fa", "earth-50m.json": "/static/vendor/earth-50m.json?v=5c9217f00f3c453aba79", "maplibre-gl-worker.mjs": "/static/vendor/maplibre-gl-worker.mjs?v=bbb86182f349dfad0a74", "maplibre-gl.mjs": "/static/vendor/maplibre-gl.mjs?v=83a08f3db7e43f17e836" };

// node_modules/preact/dist/preact.mjs
var n;
var t;
var r;
var u;
var i;
var f;
var o;
var e;
var l;
var c;
var a;
var s;
var h = /* @__PURE__ */ Symbol.for("pv");
var p = {};
var y = [];
var v = /^m(i|n|o|s|text|space)$/;
var w = Array.isArray;
var d = y.slice;
var _ = Object.assign;
function g(n3) {
  n3 && n3.parentNode && n3.remove();
}
function k(n3, t5, r4) {
  var u4, i5, f5, o5 = {}, e4 = arguments.length;
  for (f5 in t5) "key" == f5 ? u4 = t5[f5] : "ref" == f5 && "function" != typeof n3 ? i5 = t5[f5] : o5[f5] = t5[f5];
  return e4 > 2 && (o5.children = e4 > 3 ? d.call(arguments, 2) : r4), m(n3, o5, u4, i5, null);
}
function m(r4, u4, i5, f5, o5) {
  var e4 = { type: r4, props: u4, key: i5, ref: f5, __k: null, __: null, __b: 0, __e: null, __c: null, constructor: h, __v: o5 || ++t, __i: -1, __u: 0 };
  return !o5 && n.vnode && n.vnode(e4), e4;
}
function $(n3) {
  return n3.children;
}
function x(n3, t5) {
  this.props = n3, this.context = t5, this.__g = 0;
}
function S(n3, t5) {
  if (null == t5) return n3.__ && S(n3.__, n3.__i + 1);
  for (var r4; t5 < n3.__k.length; t5++) if ((r4 = n3.__k[t5]) && r4.__e) return r4.__e;
  return "function" != typeof n3.type || n3.props.__P ? null : S(n3);
}
function C(t5) {
  var r4, u4 = t5.__v, i5 = u4.__e, f5 = [], o5 = [], e4 = t5.__P;
  e4 && ((r4 = _({ constructor: h }, u4)).__v = u4.__v + 1, n.vnode && n.vnode(r4), z(e4, r4, u4, t5.__n, e4.namespaceURI, 32 & u4.__u ? [i5] : null, f5, i5 || S(u4), 32 & u4.__u, o5), r4.__v = u4.__v, r4.__.__k[r4.__i] = r4, E(f5, r4, o5), u4.__ = u4.__e = null, r4.__e != i5 && j(r4));
}
function j(n3) {
  if ((n3 = n3.__) && n3.__c && !n3.props.__P) return n3.__e = null, n3.__k.some(function(t5) {
    return t5 && (n3.__e = t5.__e);
  }), j(n3);
}
function L2(t5) {
  (8 & t5.__g || (t5.__g |= 8, u.push(t5), f++)) && i == n.debounceRendering || ((i = n.debounceRendering) || queueMicrotask)(H);
}
function H() {
  try {
    for (var n3, t5 = 1; u.length; ) u.length > t5 && u.sort(o), n3 = u.shift(), t5 = u.length, 8 & n3.__g && C(n3);
  } finally {
    (f = u.length) && (i || queueMicrotask)(H);
  }
}
function I(n3, t5, r4, u4, i5, f5, o5, e4, l4, c4, a5) {
  var s4, h6, v5, w7, d6, _5, g5 = u4.__k || y, k4 = t5.length;
  for (l4 = q(r4, t5, g5, l4, k4), s4 = 0; s4 < k4; s4++) null != (v5 = r4.__k[s4]) && (h6 = ~v5.__i && g5[v5.__i] || p, v5.__i = s4, _5 = z(n3, v5, h6, i5, f5, o5, e4, l4, c4, a5), w7 = v5.__e, (h6.ref != v5.ref || 8 & h6.__u) && (h6.ref && G(h6.ref, null, v5, h6), v5.ref && a5.push(v5.ref, v5.__c || w7, v5)), d6 = d6 || w7, 4 & v5.__u ? (l4 = A(v5, l4, n3, !h6.__v), h6.__e && (h6.__e = null)) : "function" == typeof v5.type && void 0 !== _5 ? l4 = _5 : w7 && (l4 = w7.nextSibling), v5.__u &= -21);
  return r4.__e = d6, l4;
}
function q(n3, t5, r4, u4, i5) {
  var f5, o5, e4, l4, c4, a5, s4, p5, y6, v5 = r4.length, d6 = v5, _5 = 0, g5 = 0, k4 = n3.__k = Array(i5);
  for (f5 = 0; f5 < i5; f5++) null != (o5 = t5[f5]) && "boolean" != typeof o5 && "function" != typeof o5 ? ("object" != typeof o5 || o5.constructor === String ? o5 = k4[f5] = m(null, o5) : w(o5) ? o5 = k4[f5] = m($, { children: o5 }) : o5.constructor === h && o5.__b ? o5 = k4[f5] = m(o5.type, o5.props, o5.key, o5.ref, o5.__v) : k4[f5] = o5, l4 = f5 + _5, o5.__ = n3, o5.__b = n3.__b + 1, e4 = null, ~(c4 = o5.__i = P(o5, r4, l4, d6)) && (d6--, (e4 = r4[c4]) && (e4.__u |= 2)), e4 && e4.__v ? (o5.__u |= 16, c4 == l4 - 1 ? _5-- : c4 == l4 + 1 ? _5++ : c4 != l4 && (c4 > l4 ? _5-- : _5++, g5 = 1)) : (~c4 || (i5 > v5 ? _5-- : i5 < v5 && _5++), "function" != typeof o5.type && (o5.__u |= 4))) : k4[f5] = null;
  if (g5) {
    for (a5 = [], s4 = [], f5 = 0; f5 < i5; f5++) if ((o5 = k4[f5]) && 16 & o5.__u) {
      for (_5 = 0, p5 = a5.length; _5 < p5; ) a5[y6 = _5 + p5 >> 1] < o5.__i ? _5 = y6 + 1 : p5 = y6;
      a5[_5] = o5.__i, s4[f5] = _5 + 1;
    }
    for (_5 = a5.length; f5--; ) s4[f5] && (s4[f5] == _5 ? _5-- : k4[f5].__u |= 4);
  }
  if (d6) for (f5 = 0; f5 < v5; f5++) !(e4 = r4[f5]) || 2 & e4.__u || (e4.__e == u4 && (u4 = S(e4)), J(e4, e4));
  return u4;
}
function A(n3, t5, r4, u4) {
  var i5, f5, o5, e4;
  if ("function" == typeof n3.type) {
    if (n3.props.__P) return t5;
    if (i5 = n3.__k) for (f5 = 0; f5 < i5.length; f5++) i5[f5] && (i5[f5].__ = n3, t5 = A(i5[f5], t5, r4, false));
    return t5;
  }
  for (t5 && !t5.parentNode && (t5 = S(n3)) && !t5.parentNode && (t5 = null), o5 = n3.__e, e4 = t5; e4 && 8 == e4.nodeType; ) e4 = e4.nextSibling;
  for (o5 != e4 && (!u4 && r4.moveBefore && o5.parentNode ? r4.moveBefore(o5, t5) : r4.insertBefore(o5, t5 || null)), t5 = o5; (t5 = t5 && t5.nextSibling) && 8 == t5.nodeType && !t5.data.startsWith("$s"); ) ;
  return t5;
}
function O(n3, t5) {
  return t5 = t5 || [], null != n3 && "boolean" != typeof n3 && (w(n3) ? n3.some(function(n4) {
    O(n4, t5);
  }) : t5.push(n3)), t5;
}
function P(n3, t5, r4, u4) {
  var i5, f5 = n3.key, o5 = n3.type, e4 = t5[r4], l4 = e4 && !(2 & e4.__u);
  if (null === e4 && null == f5 || l4 && f5 == e4.key && o5 == e4.type) return r4;
  if (u4 > (l4 ? 1 : 0)) {
    for (i5 = r4 - 1; i5 >= 0; i5--) if ((e4 = t5[i5]) && !(2 & e4.__u) && f5 == e4.key && o5 == e4.type) return i5;
    for (i5 = r4 + 1; i5 < t5.length; i5++) if ((e4 = t5[i5]) && !(2 & e4.__u) && f5 == e4.key && o5 == e4.type) return i5;
  }
  return -1;
}
function T(n3, t5, r4) {
  null == r4 && (r4 = ""), "-" == t5[0] ? n3.setProperty(t5, r4) : n3[t5] = r4;
}
function N(n3, t5, r4, u4, i5) {
  var f5, o5;
  if ("style" == t5) if ("string" == typeof r4) n3.style.cssText = r4;
  else {
    if ("string" == typeof u4 && (n3.style.cssText = u4 = ""), u4) for (t5 in u4) r4 && t5 in r4 || T(n3.style, t5);
    if (r4) for (t5 in r4) u4 && r4[t5] == u4[t5] || T(n3.style, t5, r4[t5]);
  }
  else if ("o" == t5[0] && "n" == t5[1]) "function" != typeof r4 && (r4 = null), "function" != typeof u4 && (u4 = null), (n3.__e || (n3.__e = {}))[t5] = r4, r4 && u4 || (o5 = a[t5] || (a[t5] = V(t5)), (n3.__a || (n3.__a = {}))[t5] = c, f5 = t5 != (t5 = t5.replace(l, "$1")), (t5 = t5.slice(2))[0] < "a" && (t5 = t5.toLowerCase()), r4 ? n3.addEventListener(t5, o5, f5) : n3.removeEventListener(t5, o5, f5));
  else {
    if ("http://www.w3.org/2000/svg" == i5) t5 = t5.replace(/xlink(H|:h)/, "h").replace(/sName$/, "s");
    else if ("width" != t5 && "height" != t5 && "href" != t5 && "list" != t5 && "form" != t5 && "tabIndex" != t5 && "download" != t5 && "rowSpan" != t5 && "colSpan" != t5 && "role" != t5 && "popover" != t5 && t5 in n3) try {
      return void (n3[t5] = null == r4 ? "" : r4);
    } catch (n4) {
    }
    if ("function" == typeof r4) return;
    null == r4 || false === r4 && "-" != t5[4] ? n3.removeAttribute(t5) : n3.setAttribute(t5, "popover" == t5 && 1 == r4 ? "" : r4);
  }
}
function V(t5) {
  return function(r4) {
    var u4 = this.__e;
    if (u4) {
      if (u4 = u4[t5], null == r4[e]) r4[e] = c++;
      else if (r4[e] < this.__a[t5]) return;
      return u4(n.event ? n.event(r4) : r4);
    }
  };
}
function z(t5, r4, u4, i5, f5, o5, e4, l4, c4, a5) {
  var s4, p5, v5, d6, k4, b6, m5, M5, C4, j5, L3, H5, q4, A7, O4, P5, T6, N3, V3 = r4.type;
  if (r4.constructor !== h) return null;
  128 & u4.__u && (c4 = 32 & u4.__u, s4 = u4.__c.__z) && (r4.__u |= c4, p5 = o5 = [], 8 == s4.nodeType ? l4 = B(s4, o5) : o5.push(s4), l4 = o5[0] || l4), (s4 = n.__b) && s4(r4);
  n: if ("function" == typeof V3) {
    v5 = e4.length;
    try {
      if (M5 = r4.props, C4 = (s4 = V3.prototype) && s4.render, j5 = (s4 = V3.contextType) && i5[s4.__c], L3 = s4 ? j5 ? j5.props.value : s4.__ : i5, (d6 = u4.__c) ? (r4.__c = d6, 2 & d6.__g && (d6.__g |= 1)) : (C4 ? r4.__c = d6 = new V3(M5, L3) : (r4.__c = d6 = new x(M5, L3), d6.constructor = V3, d6.render = K), j5 && j5.sub(d6), d6.state || (d6.state = {}), d6.__n = i5, d6.__g |= 8, d6.__h = [], d6.__k = []), C4 && (d6.__s || (d6.__s = d6.state), V3.getDerivedStateFromProps && (d6.__s == d6.state && (d6.__s = _({}, d6.__s)), _(d6.__s, V3.getDerivedStateFromProps(M5, d6.__s)))), k4 = d6.props, b6 = d6.state, d6.__v = r4, u4.__c) {
        if (M5 !== k4 && C4 && !V3.getDerivedStateFromProps && d6.componentWillReceiveProps && d6.componentWillReceiveProps(M5, L3), r4.__v == u4.__v && !(8 & d6.__g) || !(4 & d6.__g) && d6.shouldComponentUpdate && false === d6.shouldComponentUpdate(M5, d6.__s, L3)) {
          r4.__v != u4.__v && (d6.props = M5, d6.state = d6.__s, d6.__g &= -9), r4.__e = u4.__e, r4.__k = u4.__k, r4.__k.some(function(n3) {
            n3 && (n3.__ = r4);
          }), y.push.apply(d6.__h, d6.__k), d6.__k = [], d6.__h.length && e4.push(d6), l4 = S(u4);
          break n;
        }
        d6.componentWillUpdate && d6.componentWillUpdate(M5, d6.__s, L3), C4 && d6.componentDidUpdate && d6.__h.push(function() {
          d6.componentDidUpdate(k4, b6, m5);
        });
      } else C4 && !V3.getDerivedStateFromProps && d6.componentWillMount && d6.componentWillMount(), C4 && d6.componentDidMount && d6.__h.push(d6.componentDidMount);
      d6.context = L3, d6.props = M5, d6.__P = t5, d6.__g &= -5, H5 = n.__r, q4 = C4 ? 25 : 0;
      do {
        d6.__g &= -9, H5 && H5(r4), s4 = d6.render(d6.props, d6.state = d6.__s, d6.context);
      } while (8 & d6.__g && ++q4 < 25);
      C4 && (y.push.apply(d6.__h, d6.__k), d6.__k = []), d6.state = d6.__s, d6.getChildContext && (i5 = _({}, i5, d6.getChildContext())), C4 && u4.__c && d6.getSnapshotBeforeUpdate && (m5 = d6.getSnapshotBeforeUpdate(k4, b6)), A7 = s4 && s4.type === $ && null == s4.key ? s4.props.children : s4, M5.__P && (s4 = l4, f5 = (t5 = M5.__P).namespaceURI, c4 = o5 = null, u4.props && u4.props.__P != t5 && (u4.__k.some(function(n3) {
        n3 && J(n3, n3);
      }), u4.__k = null), l4 = u4.__k ? S(u4, 0) : null), l4 = I(t5, w(A7) ? A7 : [A7], r4, u4, i5, f5, o5, e4, l4, c4, a5), M5.__P && (r4.__e = null, l4 = s4), r4.__u &= -161, p5 && p5.some(g), d6.__h.length && e4.push(d6), 1 & d6.__g && (d6.__g &= -4);
    } catch (t6) {
      if (e4.length = v5, r4.__v = null, c4 || o5) if (t6 && t6.then) {
        if (r4.__u |= 128 | c4, o5) {
          for (~(T6 = o5.indexOf(l4 || void 0)) || (T6 = o5.length); (N3 = o5[T6 - 1]) && 8 == N3.nodeType; ) T6--;
          for (; T6 < o5.length; T6++) if (N3 = o5[T6]) if (o5[T6] = null, O4) {
            if (N3 == P5) break;
          } else {
            if (8 != N3.nodeType) break;
            N3.data.startsWith("$s") && (P5 = B(O4 = N3));
          }
        }
        if (!O4) {
          for (; l4 && 8 == l4.nodeType && l4.nextSibling; ) l4 = l4.nextSibling;
          O4 = l4;
        }
        (s4 = B(O4 = r4.__c.__z || (r4.__c.__z = O4))) ? (r4.__e = O4, l4 = s4) : r4.__e = l4, l4 = l4 && l4.nextSibling;
      } else o5 && o5.some(g);
      else r4.__e = u4.__e;
      r4.__k || (r4.__k = u4.__k || []), t6 && t6.then || D(r4), n.__e(t6, r4, u4);
    }
  } else l4 = r4.__e = F(u4.__e, r4, u4, i5, f5, o5, e4, c4, a5, t5);
  return (s4 = n.diffed) && s4(r4), l4;
}
function B(n3, t5) {
  if (n3 && 8 == n3.nodeType && n3.data.startsWith("$s")) for (var r4 = 1; n3 = n3.nextSibling; ) {
    if (8 == n3.nodeType) {
      if (n3.data.startsWith("$s")) r4++;
      else if (n3.data.startsWith("/$s") && !--r4) return n3;
    }
    t5 && t5.push(n3);
  }
}
function D(n3) {
  n3 && (n3.__c && (n3.__c.__g |= 4), n3.__k && n3.__k.some(D));
}
function E(t5, r4, u4) {
  for (var i5 = 0; i5 < u4.length; ) G(u4[i5++], u4[i5++], u4[i5++]);
  n.__c && n.__c(r4, t5), t5.some(function(r5) {
    try {
      t5 = r5.__h, r5.__h = [], t5.some(function(n3) {
        n3.call(r5);
      });
    } catch (t6) {
      n.__e(t6, r5.__v);
    }
  });
}
function F(t5, r4, u4, i5, f5, o5, e4, l4, c4, a5) {
  var s4, h6, y6, _5, k4, b6, m5, M5, $3 = u4.props || p, x7 = r4.props, C4 = r4.type;
  if ("svg" == C4 ? f5 = "http://www.w3.org/2000/svg" : "math" == C4 ? f5 = "http://www.w3.org/1998/Math/MathML" : f5 || (f5 = "http://www.w3.org/1999/xhtml"), o5) {
    for (s4 = 0; s4 < o5.length; s4++) if ((k4 = o5[s4]) && (C4 ? k4.localName == C4 : 3 == k4.nodeType)) {
      t5 = k4, o5[s4] = null;
      break;
    }
  }
  if (!t5) {
    if (M5 = a5.ownerDocument || document, !C4) return M5.createTextNode(x7);
    t5 = M5.createElementNS(f5, C4, x7.is ? x7 : a5), l4 && (n.__m && n.__m(r4, o5), l4 = false), o5 = null;
  }
  if (C4) {
    if (a5 = "template" == C4 && t5.content || t5, o5 = "textarea" == C4 && null != x7.defaultValue ? null : o5 && d.call(a5.childNodes), !l4 && o5) for ($3 = {}, s4 = 0; s4 < t5.attributes.length; s4++) $3[(k4 = t5.attributes[s4]).name] = k4.value;
    for (s4 in $3) k4 = $3[s4], "dangerouslySetInnerHTML" == s4 ? y6 = k4 : "children" == s4 || s4 in x7 || "value" == s4 && "defaultValue" in x7 || "checked" == s4 && "defaultChecked" in x7 || N(t5, s4, null, k4, f5);
    for (s4 in x7) k4 = x7[s4], "children" == s4 ? _5 = k4 : "dangerouslySetInnerHTML" == s4 ? h6 = k4 : "value" == s4 ? b6 = k4 : "checked" == s4 ? m5 = k4 : l4 && "function" != typeof k4 || $3[s4] === k4 || N(t5, s4, k4, $3[s4], f5);
    h6 ? (l4 || y6 && (h6.__html == y6.__html || h6.__html == t5.innerHTML) || (t5.innerHTML = h6.__html), r4.__k = []) : (y6 && (t5.textContent = ""), ("foreignObject" == C4 || "http://www.w3.org/1998/Math/MathML" == f5 && v.test(C4)) && (f5 = "http://www.w3.org/1999/xhtml"), I(a5, w(_5) ? _5 : [_5], r4, u4, i5, f5, o5, e4, o5 ? o5[0] : u4.__k && S(u4, 0), l4, c4), o5 && o5.some(g)), l4 && "textarea" != C4 || (s4 = "value", "progress" == C4 && null == b6 ? t5.removeAttribute(s4) : null == b6 || b6 === t5[s4] && ("progress" != C4 || b6) || N(t5, s4, b6, $3[s4], f5), s4 = "checked", null != m5 && m5 != t5[s4] && N(t5, s4, m5, $3[s4], f5));
  } else $3 === x7 || l4 && t5.data == x7 || (t5.data = x7);
  return t5;
}
function G(t5, r4, u4, i5) {
  try {
    "function" == typeof t5 ? r4 ? r4.__x = t5(r4) || 1 : i5 && (i5 = i5.__c || i5.__e) && (r4 = i5.__x) && (i5.__x = null, "function" == typeof r4 ? r4() : t5(null)) : t5.current = r4;
  } catch (t6) {
    n.__e(t6, u4);
  }
}
function J(t5, r4, u4) {
  var i5, f5, o5, e4;
  if (n.unmount && n.unmount(t5), !(i5 = t5.ref) || i5.current && i5.current != t5.__e || G(i5, null, r4, t5), i5 = t5.__c) {
    if (i5.componentWillUnmount) try {
      i5.componentWillUnmount();
    } catch (t6) {
      n.__e(t6, r4);
    }
    i5.__P = i5.__n = null;
  }
  if (i5 = t5.__k) for (e4 = 0; e4 < i5.length; e4++) i5[e4] && J(i5[e4], r4, "function" != typeof t5.type || u4 && !t5.props.__P);
  !u4 && (i5 = t5.__c) && (i5 = i5.__z) && (f5 = B(i5, o5 = [])) && (i5 == t5.__e && o5.some(g), g(f5), g(i5)), u4 || g(t5.__e), t5.__e = t5.__c = t5.__ = null;
}
function K(n3, t5, r4) {
  return this.constructor(n3, r4);
}
function Q(t5, r4) {
  var u4, i5, f5, o5;
  n.__ && n.__(t5, r4), 9 == r4.nodeType && (r4 = r4.documentElement), i5 = (u4 = t5 && 32 & t5.__u) ? null : r4.__k, r4.__k = m($, { children: [t5] }), f5 = [], o5 = [], z(r4, r4.__k, i5 || p, p, r4.namespaceURI, i5 ? null : r4.firstChild ? d.call(r4.childNodes) : null, f5, i5 ? i5.__e : r4.firstChild, u4, o5), E(f5, r4.__k, o5), r4.__k.props.children = null;
}
n = { __e: function(n3, t5, r4, u4) {
  for (var i5, o5, e4; t5 = t5.__; ) if ((i5 = t5.__c) && !(1 & i5.__g)) {
    i5.__g |= 4;
    try {
      if ((e4 = (o5 = i5.constructor) && o5.getDerivedStateFromError) && i5.setState(o5.getDerivedStateFromError(n3)), i5.componentDidCatch && (i5.componentDidCatch(n3, u4 || {}), e4 = 1), e4 && 8 & i5.__g) return void (i5.__g |= 2);
    } catch (t6) {
      n3 = t6;
    }
  }
  throw f = 0, n3;
} }, t = 0, r = function(n3) {
  return null != n3 && n3.constructor === h;
}, x.prototype.setState = function(n3, t5) {
  var r4 = this.__s;
  r4 && r4 != this.state || (r4 = this.__s = _({}, this.state)), "function" == typeof n3 && (n3 = n3(_({}, r4), this.props)), n3 && (_(r4, n3), this.__v && (t5 && this.__k.push(t5), L2(this)));
}, x.prototype.forceUpdate = function(n3) {
  this.__v && (this.__g |= 4, n3 && this.__h.push(n3), L2(this));
}, x.prototype.render = $, u = [], f = 0, o = function(n3, t5) {
  return n3.__v.__b - t5.__v.__b;
}, e = /* @__PURE__ */ Symbol(), l = /(PointerCapture)$|Capture$/i, c = 0, a = {}, s = 0;

// node_modules/preact/hooks/dist/hooks.mjs
var t2;
var r2;
var u2;
var i2;
var o2 = Object.is;
var f2 = 0;
var c2 = [];
var e2 = [];
var a2 = n;
var v2 = a2.__b;
var l2 = a2.__r;
var m2 = a2.diffed;
var h2 = a2.__c;
var s2 = a2.unmount;
var p2 = a2.__;
function y2(n3, t5) {
  a2.__h && a2.__h(r2, n3, f2 || t5), f2 = 0;
  var u4 = r2.__H || (r2.__H = { __: [], __h: [] });
  return n3 >= u4.__.length && u4.__.push({}), u4.__[n3];
}
function d2(n3) {
  return f2 = 1, _2(G2, n3);
}
function _2(n3, u4, i5) {
  var f5 = y2(t2++, 2);
  if (f5.t = n3, !f5.__c && (f5.__ = [i5 ? i5(u4) : G2(void 0, u4), function(n4) {
    var t5 = (f5.__N || f5.__)[0], r4 = f5.t(t5, n4);
    o2(t5, r4) || (f5.__N = [r4, f5.__[1]], f5.__c.setState({}));
  }], f5.__c = r2, !r2.__f)) {
    r2.__f = true;
    var c4 = r2.shouldComponentUpdate;
    r2.shouldComponentUpdate = function(n4, t5, r4) {
      var u5 = this.__H;
      if (!u5) return true;
      var i6 = false, f6 = this.props != n4;
      if (u5.__.some(function(n5) {
        n5.__N && (i6 = true, o2(n5.__[0], n5.__N[0]) || (f6 = true));
      }), c4) {
        var e4 = c4.call(this, n4, t5, r4);
        return i6 ? e4 || f6 : e4;
      }
      return !i6 || f6;
    };
  }
  return f5.__;
}
function A2(n3, u4) {
  var i5 = y2(t2++, 3);
  !a2.__s && E2(i5.__H, u4) && (i5.__P = true, i5.__ = n3, i5.u = u4, r2.__H.__h.push(i5));
}
function T2(n3) {
  return f2 = 5, w2(function() {
    return { current: n3 };
  }, []);
}
function w2(n3, r4) {
  var u4 = y2(t2++, 7);
  return E2(u4.__H, r4) && (u4.__ = n3(), u4.__H = r4), u4.__;
}
function P2() {
  var n3 = y2(t2++, 11);
  if (!n3.__) {
    for (var u4 = r2.__v; !u4.__m && u4.__; ) u4 = u4.__;
    var i5 = u4.__m || (u4.__m = [0, 0]);
    n3.__ = "P" + i5[0] + "-" + i5[1]++;
  }
  return n3.__;
}
function g2() {
  var n3;
  do {
    for (; n3 = e2.shift(); ) try {
      C2(n3);
    } catch (t6) {
      a2.__e(t6, { __: (n3 = n3.__P) && n3.__v });
    }
    for (; n3 = c2.shift(); ) {
      var t5 = n3.__H;
      if (n3.__P && t5) try {
        t5.__h.some(C2), t5.__h.some(D2), t5.__h = [];
      } catch (r4) {
        t5.__h = [], a2.__e(r4, n3.__v);
      }
    }
  } while (e2.length);
}
a2.__b = function(n3) {
  r2 = null, v2 && v2(n3);
}, a2.__ = function(n3, t5) {
  n3 && t5.__k && t5.__k.__m && (n3.__m = t5.__k.__m), p2 && p2(n3, t5);
}, a2.__r = function(n3) {
  l2 && l2(n3), t2 = 0;
  var i5 = (r2 = n3.__c).__H;
  i5 && (u2 == r2 ? r2.__h = [] : (i5.__h.some(C2), i5.__h.some(D2), t2 = 0), i5.__h = [], i5.__.some(function(n4) {
    n4.__N && (n4.__ = n4.__N), n4.u = n4.__N = void 0;
  })), u2 = r2;
}, a2.diffed = function(n3) {
  m2 && m2(n3);
  var t5 = n3.__c;
  t5 && t5.__H && (t5.__H.__h.length && B2(c2.push(t5)), t5.__H.__.some(function(n4) {
    n4.u && (n4.__H = n4.u);
  })), u2 = r2 = null;
}, a2.__c = function(n3, t5) {
  t5.some(function(n4) {
    try {
      n4.__h.some(C2), n4.__h = n4.__h.filter(function(n5) {
        return !n5.__ || D2(n5);
      });
    } catch (t6) {
      n4.__h = [function() {
        throw t6;
      }];
    }
  }), h2 && h2(n3, t5);
}, a2.unmount = function(n3) {
  s2 && s2(n3);
  var t5, r4, u4 = n3.__c;
  u4 && u4.__H && (u4.__H.__.some(function(u5) {
    try {
      if (u5.__P && u5.__c) {
        if (void 0 === r4) {
          for (r4 = n3.__; r4 && (!r4.__c || !r4.__c.__P); ) r4 = r4.__;
          r4 = r4 && r4.__c;
        }
        u5.__P = r4, B2(e2.push(u5));
      } else C2(u5);
    } catch (n4) {
      t5 = n4;
    }
  }), u4.__H = void 0, t5 && a2.__e(t5, u4.__v));
};
var k2 = "function" == typeof requestAnimationFrame;
function z2(n3) {
  var t5, r4 = function() {
    clearTimeout(u4), k2 && cancelAnimationFrame(t5), setTimeout(n3);
  }, u4 = setTimeout(r4, 35);
  k2 && (t5 = requestAnimationFrame(r4));
}
function B2(n3) {
  1 != n3 && i2 == a2.requestAnimationFrame || ((i2 = a2.requestAnimationFrame) || z2)(g2);
}
function C2(n3) {
  var t5 = r2, u4 = n3.__c;
  "function" == typeof u4 && (n3.__c = void 0, u4()), r2 = t5;
}
function D2(n3) {
  var t5 = r2;
  n3.__c = n3.__(), r2 = t5;
}
function E2(n3, t5) {
  return !n3 || n3.length != t5.length || t5.some(function(t6, r4) {
    return !o2(t6, n3[r4]);
  });
}
function G2(n3, t5) {
  return "function" == typeof t5 ? t5(n3) : t5;
}

// node_modules/preact/jsx-runtime/dist/jsxRuntime.mjs
var f3 = /* @__PURE__ */ Symbol.for("pv");
var o3 = 0;
function a3(t5, e4, n3, u4, a5, i5) {
  e4 || (e4 = {});
  var c4, l4, p5 = e4;
  if ("ref" in p5 && "function" != typeof t5) for (l4 in p5 = {}, e4) "ref" == l4 ? c4 = e4[l4] : p5[l4] = e4[l4];
  var s4 = { type: t5, props: p5, key: n3, ref: c4, __k: null, __: null, __b: 0, __e: null, __c: null, constructor: f3, __v: --o3, __i: -1, __u: 0 };
  return (a5 || i5) && (s4.__source = a5, s4.__self = i5), n.vnode && n.vnode(s4), s4;
}

// src/icons.tsx
var PATHS = {
  image: "M3 5h14v10H3zM3 13l4-4 3.5 3.500L13 10l4 4M12.5 8h.01",
  audio: "M3 9v2M6.5 6v8M10 3.500v13M13.5 6v8M17 9v2",
  sat: "M3 3h14v14H3zM3 9l6-2 8 3M9 3v14M9 13l8-2",
  loc: "M10 17s5-4.6 5-8.500a5 5 0 0 0-10 0C5 12.4 10 17 10 17zM10 10.200a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.400z",
  env: "M8 11.500V4.500a2 2 0 1 1 4 0v7a3.5 3.5 0 1 1-4 0zM10 8v6",
  text: "M4 5V3.500h12V5M10 3.500v13M7.5 16.500h5",
  drop: "M10 13V3.500M6.5 7 10 3.5 13.5 7M3.5 12.500v4h13v-4",
  play: "M6.5 4v12l9-6z",
  pause: "M7 4.500v11M13 4.500v11",
  check: "M4 10.5 8.2 15 16 5.5",
  cross: "M5 5l10 10M15 5 5 15",
  like: "M8.5 14a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM12.5 12.5 17 17",
  pick: "M10 2.500v4M10 13.500v4M2.5 10h4M13.5 10h4M10 10h.01",
  box: "M4 5h12v10H4z",
  circle: "M10 16.500a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z",
  move: "M10 2.500v15M2.5 10h15M8 4.500l2-2 2 2M8 15.500l2 2 2-2M4.5 8l-2 2 2 2M15.5 8l2 2-2 2",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  fit: "M3.5 7V3.500H7M13 3.500h3.500V7M16.5 13v3.500H13M7 16.500H3.500V13",
  save: "M10 3v9.500M6.5 9.5 10 13l3.5-3.500M3.5 13.500v3h13v-3",
  link: "M8.5 11.5 11.5 8.500M9.5 6l2-2a3.18 3.18 0 0 1 4.5 4.500l-2 2M10.5 14l-2 2A3.18 3.18 0 0 1 4 11.500l2-2",
  light: "M10 3.500a6.5 6.5 0 1 0 0 13zM10 3.500a6.5 6.5 0 0 1 0 13",
  layers: "M10 3l7 4-7 4-7-4zM3.5 10.5 10 14l6.5-3.500M3.5 13.5 10 17l6.5-3.5",
  mic: "M10 12.500a2.5 2.5 0 0 0 2.5-2.500V5a2.5 2.5 0 0 0-5 0v5a2.5 2.5 0 0 0 2.5 2.500zM5 9.500a5 5 0 0 0 10 0M10 14.500v3",
  left: "M12.5 4 6.5 10l6 6",
  right: "M7.5 4l6 6-6 6",
  down: "M5 7.500l5 5 5-5"
};
function Icon({ name, size = 16 }) {
  return /* @__PURE__ */ a3("svg", { class: "icon", width: size, height: size, viewBox: "0 0 20 20", "aria-hidden": "true", focusable: "false", children: /* @__PURE__ */ a3("path", { d: PATHS[name] ?? "M10 10h.01" }) });
}

// node_modules/@preact/signals-core/dist/signals-core.module.js
var i3 = /* @__PURE__ */ Symbol.for("preact-signals");
function t3() {
  if (!(v3 > 1)) {
    var i5, t5 = false;
    !(function() {
      var i6 = c3;
      c3 = void 0;
      while (void 0 !== i6) {
        var t6 = i6.S;
        if (t6.v === i6.v) {
          for (var r5 = t6.t; void 0 !== r5; r5 = r5.x) if (r5.i === i6.i) r5.i = t6.i;
        }
        i6 = i6.o;
      }
    })();
    while (void 0 !== h3) {
      var r4 = h3;
      h3 = void 0;
      s3++;
      while (void 0 !== r4) {
        var n3 = r4.u;
        r4.u = void 0;
        r4.f &= -3;
        if (!(8 & r4.f) && w3(r4)) try {
          r4.c();
        } catch (r5) {
          if (!t5) {
            i5 = r5;
            t5 = true;
          }
        }
        r4 = n3;
      }
    }
    s3 = 0;
    v3--;
    if (t5) throw i5;
  } else v3--;
}
function r3(i5) {
  if (v3 > 0) return i5();
  u3 = ++e3;
  v3++;
  try {
    return i5();
  } finally {
    t3();
  }
}
var n2;
var o4 = void 0;
function f4(i5) {
  var t5 = o4, r4 = n2;
  o4 = void 0;
  n2 = void 0;
  try {
    return i5();
  } finally {
    o4 = t5;
    n2 = r4;
  }
}
var h3 = void 0;
var v3 = 0;
var s3 = 0;
var e3 = 0;
var u3 = 0;
var c3 = void 0;
var a4 = 0;
function d3(i5) {
  if (void 0 !== o4) {
    var t5 = i5.n;
    if (void 0 === t5 || t5.t !== o4) {
      t5 = { i: 0, S: i5, p: o4.s, n: void 0, t: o4, e: void 0, x: void 0, r: t5 };
      if (void 0 !== o4.s) o4.s.n = t5;
      o4.s = t5;
      i5.n = t5;
      if (32 & o4.f) i5.S(t5);
      return t5;
    } else if (-1 === t5.i) {
      t5.i = 0;
      if (void 0 !== t5.n) {
        t5.n.p = t5.p;
        if (void 0 !== t5.p) t5.p.n = t5.n;
        t5.p = o4.s;
        t5.n = void 0;
        o4.s.n = t5;
        o4.s = t5;
      }
      return t5;
    }
  }
}
function l3(i5, t5) {
  this.v = i5;
  this.i = 0;
  this.n = void 0;
  this.t = void 0;
  this.l = 0;
  this.W = null == t5 ? void 0 : t5.watched;
  this.Z = null == t5 ? void 0 : t5.unwatched;
  this.name = null == t5 ? void 0 : t5.name;
}
l3.prototype.brand = i3;
l3.prototype.h = function() {
  return true;
};
l3.prototype.S = function(i5) {
  var t5 = this, r4 = this.t;
  if (r4 !== i5 && void 0 === i5.e) {
    i5.x = r4;
    this.t = i5;
    if (void 0 !== r4) r4.e = i5;
    else f4(function() {
      var i6;
      null == (i6 = t5.W) || i6.call(t5);
    });
  }
};
l3.prototype.U = function(i5) {
  var t5 = this;
  if (void 0 !== this.t) {
    var r4 = i5.e, n3 = i5.x;
    if (void 0 !== r4) {
      r4.x = n3;
      i5.e = void 0;
    }
    if (void 0 !== n3) {
      n3.e = r4;
      i5.x = void 0;
    }
    if (i5 === this.t) {
      this.t = n3;
      if (void 0 === n3) f4(function() {
        var i6;
        null == (i6 = t5.Z) || i6.call(t5);
      });
    }
  }
};
l3.prototype.subscribe = function(i5) {
  var t5 = this;
  return x2(function() {
    var r4 = t5.value;
    f4(function() {
      return i5(r4);
    });
  }, { name: "sub" });
};
l3.prototype.valueOf = function() {
  return this.value;
};
l3.prototype.toString = function() {
  return this.value + "";
};
l3.prototype.toJSON = function() {
  return this.value;
};
l3.prototype.peek = function() {
  var i5 = this;
  return f4(function() {
    return i5.value;
  });
};
Object.defineProperty(l3.prototype, "value", { get: function() {
  var i5 = d3(this);
  if (void 0 !== i5) i5.i = this.i;
  return this.v;
}, set: function(i5) {
  if (i5 !== this.v) {
    if (s3 > 100) throw new Error("Cycle detected");
    !(function(i6) {
      if (0 !== v3 && 0 === s3) {
        if (i6.l !== u3) {
          i6.l = u3;
          c3 = { S: i6, v: i6.v, i: i6.i, o: c3 };
        }
      }
    })(this);
    this.v = i5;
    this.i++;
    a4++;
    v3++;
    try {
      for (var r4 = this.t; void 0 !== r4; r4 = r4.x) r4.t.N();
    } finally {
      t3();
    }
  }
} });
function y3(i5, t5) {
  return new l3(i5, t5);
}
function w3(i5) {
  for (var t5 = i5.s; void 0 !== t5; t5 = t5.n) if (t5.S.i !== t5.i || !t5.S.h() || t5.S.i !== t5.i) return true;
  return false;
}
function b(i5) {
  for (var t5 = i5.s; void 0 !== t5; t5 = t5.n) {
    var r4 = t5.S.n;
    if (void 0 !== r4) t5.r = r4;
    t5.S.n = t5;
    t5.i = -1;
    if (void 0 === t5.n) {
      i5.s = t5;
      break;
    }
  }
}
function _3(i5) {
  var t5 = i5.s, r4 = void 0;
  while (void 0 !== t5) {
    var n3 = t5.p;
    if (-1 === t5.i) {
      t5.S.U(t5);
      if (void 0 !== n3) n3.n = t5.n;
      if (void 0 !== t5.n) t5.n.p = n3;
    } else r4 = t5;
    t5.S.n = t5.r;
    if (void 0 !== t5.r) t5.r = void 0;
    t5 = n3;
  }
  i5.s = r4;
}
function j2(i5, t5) {
  l3.call(this, void 0, t5);
  this.x = i5;
  this.s = void 0;
  this.g = a4 - 1;
  this.f = 4;
}
j2.prototype = new l3();
j2.prototype.h = function() {
  this.f &= -3;
  if (1 & this.f) return false;
  if (32 == (36 & this.f)) return true;
  this.f &= -5;
  if (this.g === a4) return true;
  this.g = a4;
  this.f |= 1;
  if (this.i > 0 && !w3(this)) {
    this.f &= -2;
    return true;
  }
  var i5 = o4;
  try {
    b(this);
    o4 = this;
    var t5 = this.x();
    if (16 & this.f || this.v !== t5 || 0 === this.i) {
      this.v = t5;
      this.f &= -17;
      this.i++;
    }
  } catch (i6) {
    this.v = i6;
    this.f |= 16;
    this.i++;
  }
  o4 = i5;
  _3(this);
  this.f &= -2;
  return true;
};
j2.prototype.S = function(i5) {
  if (void 0 === this.t) {
    this.f |= 36;
    for (var t5 = this.s; void 0 !== t5; t5 = t5.n) t5.S.S(t5);
  }
  l3.prototype.S.call(this, i5);
};
j2.prototype.U = function(i5) {
  if (void 0 !== this.t) {
    l3.prototype.U.call(this, i5);
    if (void 0 === this.t) {
      this.f &= -33;
      for (var t5 = this.s; void 0 !== t5; t5 = t5.n) t5.S.U(t5);
    }
  }
};
j2.prototype.N = function() {
  if (!(2 & this.f)) {
    this.f |= 6;
    for (var i5 = this.t; void 0 !== i5; i5 = i5.x) i5.t.N();
  }
};
Object.defineProperty(j2.prototype, "value", { get: function() {
  if (1 & this.f) throw new Error("Cycle detected");
  var i5 = d3(this);
  this.h();
  if (void 0 !== i5) i5.i = this.i;
  if (16 & this.f) throw this.v;
  return this.v;
} });
function O2(i5, t5) {
  return new j2(i5, t5);
}
function p3(i5) {
  var r4 = i5.j;
  i5.j = void 0;
  if ("function" == typeof r4) {
    v3++;
    var n3 = o4;
    o4 = void 0;
    try {
      r4();
    } catch (t5) {
      i5.f &= -2;
      i5.f |= 8;
      g3(i5);
      throw t5;
    } finally {
      o4 = n3;
      t3();
    }
  }
}
function g3(i5) {
  for (var t5 = i5.s; void 0 !== t5; t5 = t5.n) t5.S.U(t5);
  i5.x = void 0;
  i5.s = void 0;
  p3(i5);
}
function S2(i5) {
  if (o4 !== this) throw new Error("Out-of-order effect");
  _3(this);
  o4 = i5;
  this.f &= -2;
  try {
    if (8 & this.f) g3(this);
  } finally {
    t3();
  }
}
function m3(i5, t5) {
  this.x = i5;
  this.j = void 0;
  this.s = void 0;
  this.u = void 0;
  this.f = 32;
  this.name = null == t5 ? void 0 : t5.name;
  if (n2) n2.push(this);
}
m3.prototype.c = function() {
  var i5 = this.S();
  try {
    if (8 & this.f) return;
    if (void 0 === this.x) return;
    var t5 = this.x();
    if ("function" == typeof t5) this.j = t5;
  } finally {
    i5();
  }
};
m3.prototype.S = function() {
  if (1 & this.f) throw new Error("Cycle detected");
  this.f |= 1;
  this.f &= -9;
  p3(this);
  b(this);
  v3++;
  var i5 = o4;
  o4 = this;
  return S2.bind(this, i5);
};
m3.prototype.N = function() {
  if (!(2 & this.f)) {
    this.f |= 2;
    this.u = h3;
    h3 = this;
  }
};
m3.prototype.d = function() {
  this.f |= 8;
  if (!(1 & this.f)) g3(this);
};
m3.prototype.dispose = function() {
  this.d();
};
function x2(i5, t5) {
  var r4 = new m3(i5, t5);
  try {
    r4.c();
  } catch (i6) {
    r4.d();
    throw i6;
  }
  var n3 = r4.d.bind(r4);
  n3[Symbol.dispose] = n3;
  return n3;
}

// node_modules/@preact/signals/dist/signals.module.js
var h4;
var d4;
var p4;
var m4 = "undefined" != typeof window && !!window.__PREACT_SIGNALS_DEVTOOLS__;
var g4 = [];
x2(function() {
  h4 = this.N;
})();
function b2(i5, n3) {
  n[i5] = n3.bind(null, n[i5] || function() {
  });
}
function y4(i5) {
  if (p4) {
    var n3 = p4;
    p4 = void 0;
    n3();
  }
  p4 = i5 && i5.S();
}
function w4(i5) {
  var n3 = this, r4 = i5.data, t5 = useSignal(r4);
  t5.name = "ReactiveDom";
  t5.value = r4;
  var e4 = w2(function() {
    var i6 = n3, r5 = n3.__v;
    while (r5 = r5.__) if (r5.__c) {
      r5.__c.__$f |= 4;
      break;
    }
    var o5 = O2(function() {
      var i7 = t5.value.value;
      return 0 === i7 ? 0 : true === i7 ? "" : i7 || "";
    }), e5 = O2(function() {
      return !Array.isArray(o5.value) && !r(o5.value);
    }), u5 = x2(function() {
      this.N = M;
      if (e5.value) {
        var n4 = o5.value;
        if (i6.__v && i6.__v.__e && 3 === i6.__v.__e.nodeType) i6.__v.__e.data = n4;
      }
    }), c5 = n3.__$u.d;
    n3.__$u.d = function() {
      u5();
      c5.call(this);
    };
    return [e5, o5];
  }, []), u4 = e4[0], c4 = e4[1];
  return u4.value ? c4.peek() : c4.value;
}
w4.displayName = "ReactiveTextNode";
Object.defineProperties(l3.prototype, { constructor: { configurable: true, value: k($, null).constructor }, type: { configurable: true, value: w4 }, props: { configurable: true, get: function() {
  var i5 = this;
  return { data: { get value() {
    return i5.value;
  } } };
} }, __b: { configurable: true, value: 1 } });
b2("__b", function(i5, n3) {
  y4();
  d4 = void 0;
  if ("string" == typeof n3.type) {
    var r4, t5 = n3.props;
    for (var f5 in t5) if ("children" !== f5) {
      var o5 = t5[f5];
      if (o5 instanceof l3) {
        if (!r4) n3.__np = r4 = {};
        r4[f5] = o5;
        t5[f5] = o5.peek();
      }
    }
  }
  i5(n3);
});
b2("__r", function(i5, r4) {
  i5(r4);
  if (r4.type !== $) {
    y4();
    var t5, f5 = r4.__c;
    if (f5) {
      f5.__$f &= -2;
      if (void 0 === (t5 = f5.__$u)) f5.__$u = t5 = (function(i6, n3) {
        var r5;
        x2(function() {
          r5 = this;
        }, { name: n3 });
        r5.c = i6;
        return r5;
      })(/* @__PURE__ */ (function(i6) {
        return function() {
          var n3;
          if (m4) null == (n3 = this.y) || n3.call(this);
          i6.__$f |= 1;
          i6.setState({});
        };
      })(f5), "function" == typeof r4.type ? r4.type.displayName || r4.type.name : "");
    }
    d4 = f5;
    y4(t5);
  }
});
b2("__e", function(i5, n3, r4, t5) {
  y4();
  d4 = void 0;
  i5(n3, r4, t5);
});
b2("diffed", function(i5, n3) {
  y4();
  d4 = void 0;
  var r4;
  if ("string" == typeof n3.type && (r4 = n3.__e)) {
    var t5 = n3.__np, f5 = n3.props, o5 = r4.U;
    if (o5) for (var e4 in o5) {
      var u4 = o5[e4];
      if (!(void 0 === u4 || t5 && e4 in t5)) {
        u4.d();
        o5[e4] = void 0;
      }
    }
    if (t5) {
      if (!o5) {
        o5 = {};
        r4.U = o5;
      }
      for (var a5 in t5) {
        var c4 = o5[a5], v5 = t5[a5];
        if (void 0 === c4) {
          c4 = k3(r4, a5, v5, f5);
          o5[a5] = c4;
        } else c4.o(v5, f5);
      }
    }
  }
  i5(n3);
});
function k3(i5, n3, r4, t5) {
  var f5 = n3 in i5 && void 0 === i5.ownerSVGElement, o5 = y3(r4);
  return { o: function(i6, n4) {
    o5.value = i6;
    t5 = n4;
  }, d: x2(function() {
    this.N = M;
    var r5 = o5.value.value;
    if (t5[n3] !== r5) {
      t5[n3] = r5;
      if (f5) i5[n3] = r5;
      else if (null != r5 && (false !== r5 || "-" === n3[4])) i5.setAttribute(n3, r5);
      else i5.removeAttribute(n3);
    }
  }) };
}
b2("unmount", function(i5, n3) {
  if ("string" == typeof n3.type) {
    var r4 = n3.__e;
    if (r4) {
      var t5 = r4.U;
      if (t5) {
        r4.U = void 0;
        for (var f5 in t5) {
          var o5 = t5[f5];
          if (o5) o5.d();
        }
      }
    }
    var e4 = n3.__np;
    if (e4) {
      var u4 = n3.props;
      for (var a5 in e4) u4[a5] = e4[a5];
    }
    n3.__np = void 0;
  } else {
    var c4 = n3.__c;
    if (c4) {
      c4.__$f |= 8;
      var v5 = c4.__$u;
      if (v5) {
        c4.__$u = void 0;
        v5.d();
      }
    }
  }
  i5(n3);
});
b2("__h", function(i5, n3, r4, t5) {
  if (t5 < 3) n3.__$f |= 2;
  i5(n3, r4, t5);
});
x.prototype.shouldComponentUpdate = function(i5, n3) {
  if (this.__R) return true;
  var r4 = this.__$u, t5 = r4 && void 0 !== r4.s;
  for (var f5 in n3) return true;
  if (this.__f || "boolean" == typeof this.u && true === this.u) {
    var o5 = 2 & this.__$f;
    if (!(t5 || o5 || 4 & this.__$f)) return true;
    if (1 & this.__$f) return true;
  } else {
    if (!(t5 || 4 & this.__$f)) return true;
    if (3 & this.__$f) return true;
  }
  for (var e4 in i5) if ("__source" !== e4 && i5[e4] !== this.props[e4]) return true;
  for (var u4 in this.props) if (!(u4 in i5)) return true;
  return false;
};
function useSignal(i5, n3) {
  return w2(function() {
    return y3(i5, n3);
  }, []);
}
var A3 = function(i5) {
  queueMicrotask(function() {
    queueMicrotask(i5);
  });
};
function F2() {
  r3(function() {
    var i5;
    while (i5 = g4.shift()) h4.call(i5);
  });
}
function M() {
  if (1 === g4.push(this)) (n.requestAnimationFrame || A3)(F2);
}

// src/api.ts
var BASE = "/api/v1";
var Refusal = class extends Error {
  constructor(problem, retryAfter = null) {
    super(problem.detail || problem.title || `HTTP ${problem.status}`);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
  problem;
  retryAfter;
};
async function refusal(answer2) {
  let problem = { status: answer2.status, title: answer2.statusText };
  try {
    problem = { ...problem, ...await answer2.json() };
  } catch {
  }
  const wait = Number(answer2.headers.get("Retry-After"));
  return new Refusal(problem, Number.isFinite(wait) && wait > 0 ? wait : null);
}
async function call(path, init) {
  let answer2;
  try {
    answer2 = await fetch(path.startsWith("/") ? path : `${BASE}/${path}`, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal({ status: 0, type: "/problems/unreachable" });
  }
  if (!answer2.ok) throw await refusal(answer2);
  return answer2;
}
async function get(path, signal) {
  return await (await call(path, { signal })).json();
}
async function send(method, path, body2, signal) {
  const headers = { "Content-Type": "application/json" };
  const answer2 = await call(path, { method, headers, body: body2 === void 0 ? void 0 : JSON.stringify(body2), signal });
  const text = await answer2.text();
  return text ? JSON.parse(text) : null;
}
function upload(file, type, progress) {
  return new Promise((resolve, reject) => {
    const asked2 = new XMLHttpRequest();
    asked2.open("PUT", `${BASE}/uploads`);
    asked2.setRequestHeader("Content-Type", type || "application/octet-stream");
    asked2.upload.onprogress = (e4) => e4.lengthComputable && progress(e4.loaded / e4.total);
    asked2.onerror = () => reject(new Refusal({ status: 0, type: "/problems/unreachable" }));
    asked2.onload = () => {
      let said2 = null;
      try {
        said2 = JSON.parse(asked2.responseText);
      } catch {
      }
      if (asked2.status >= 200 && asked2.status < 300 && said2) resolve(said2);
      else reject(new Refusal({ status: asked2.status, title: asked2.statusText, ...said2 }));
    };
    asked2.send(file);
  });
}
function address(path, values) {
  const query = new URLSearchParams();
  for (const [name, value2] of Object.entries(values)) if (value2 !== null && value2 !== void 0 && value2 !== "") query.set(name, String(value2));
  const text = query.toString();
  return text ? `${path}${path.includes("?") ? "&" : "?"}${text}` : path;
}

// src/query.ts
var K2 = 200;
var NO_FILTER = {
  taxon: "",
  bbox: null,
  near: null,
  since: "",
  until: "",
  license: [],
  observedOnly: false,
  onePerSpecies: false
};
var NOTHING = { parts: [], target: null, filter: NO_FILTER, more: [], less: [], generation: null };
function isFiltered(f5) {
  return Object.keys(filterBody(f5)).length > 0 || f5.onePerSpecies;
}
function filterBody(f5) {
  return {
    ...f5.taxon && { taxon: f5.taxon },
    ...f5.bbox && { bbox: f5.bbox },
    ...f5.near && { near: [...f5.near.at, f5.near.km] },
    ...f5.since && { since: f5.since },
    ...f5.until && { until: f5.until },
    ...f5.license.length && { license: f5.license },
    ...f5.observedOnly && { observed_only: true }
  };
}
function body(asked2) {
  const query = {};
  const add = (name, value2) => (query[name] ??= []).push(value2);
  for (const part2 of asked2.parts) {
    if (part2.kind === "upload") {
      const span = part2.from !== void 0 && part2.to !== void 0 ? { from: part2.from, to: part2.to } : {};
      add(part2.file.modality, { upload: part2.file.upload, ...span });
    } else if (part2.kind === "text") add("text", part2.text);
    else if (part2.kind === "place") query.location = part2.at;
    else if (part2.kind === "env") query.env = part2.values;
    else add("like", { row: part2.row, ...part2.by.length && { by: part2.by } });
  }
  if (asked2.more.length) query.more = asked2.more;
  if (asked2.less.length) query.less = asked2.less;
  return {
    query,
    ...asked2.target && { target: asked2.target },
    k: K2,
    filter: filterBody(asked2.filter),
    ...asked2.generation !== null && { generation: asked2.generation },
    ...asked2.filter.onePerSpecies && { group_by: "species" }
  };
}
function written(part2) {
  if (part2.kind === "text") return ["text", part2.text];
  if (part2.kind === "place") return ["place", part2.at.join(",")];
  if (part2.kind === "env") return ["env", part2.values.join(",")];
  if (part2.kind === "like") return ["like", [part2.row, ...part2.by].join(",")];
  const span = part2.from !== void 0 && part2.to !== void 0 ? `,${part2.from},${part2.to}` : "";
  return [part2.file.modality, part2.file.upload + span];
}
function toSearch(asked2) {
  const out = new URLSearchParams();
  for (const part2 of asked2.parts) out.append(...written(part2));
  const f5 = asked2.filter;
  if (asked2.target) out.set("target", asked2.target);
  if (f5.taxon) out.set("taxon", f5.taxon);
  if (f5.bbox) out.set("bbox", f5.bbox.join(","));
  if (f5.near) out.set("near", [...f5.near.at, f5.near.km].join(","));
  if (f5.since) out.set("since", f5.since);
  if (f5.until) out.set("until", f5.until);
  for (const l4 of f5.license) out.append("license", l4);
  if (f5.observedOnly) out.set("observed", "1");
  if (f5.onePerSpecies) out.set("species", "1");
  if (asked2.more.length) out.set("more", asked2.more.join(","));
  if (asked2.less.length) out.set("less", asked2.less.join(","));
  return out;
}

// src/link.ts
function numbersOf(text, count) {
  if (!text) return null;
  const values = text.split(",").map((v5) => v5.trim() === "" ? Number.NaN : Number(v5));
  return values.every(Number.isFinite) && (count === void 0 || values.length === count) ? values : null;
}
function placeOf(text) {
  const found = /^\s*([+-]?\d+(?:\.\d+)?)\s*°?\s*([NSns])?[\s,;]+([+-]?\d+(?:\.\d+)?)\s*°?\s*([EWewOo])?\s*$/.exec(text.replaceAll("−", "-"));
  if (!found) return null;
  const latitude = Number(found[1]) * (/s/i.test(found[2] ?? "") ? -1 : 1);
  const longitude = Number(found[3]) * (/w/i.test(found[4] ?? "") ? -1 : 1);
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? [latitude, longitude] : null;
}
function nearOf(text) {
  const cut = text.lastIndexOf(",");
  const at = placeOf(text.slice(0, Math.max(0, cut)));
  const found = /^\s*(\d+(?:\.\d+)?)\s*(km|m)?\s*$/.exec(text.slice(cut + 1));
  const km = found ? Number(found[1]) / (found[2] === "m" ? 1e3 : 1) : 0;
  return at && km > 0 ? { at, km } : null;
}
function boxOf(text) {
  const found = numbersOf(text, 4);
  const [west, south, east, north] = found ?? [];
  return found && [south, north].every((v5) => Math.abs(v5) <= 90) && [west, east].every((v5) => Math.abs(v5) <= 180) ? found : null;
}
function rowsOf(text) {
  return /^\d+(,\d+)*$/.test(text) ? text.split(",").map(Number) : null;
}
function likeOf(text) {
  const [row, ...by] = text.split(",");
  return /^\d+$/.test(row ?? "") ? { kind: "like", row: Number(row), by } : null;
}
function fileOf(modality, text) {
  const [upload2, ...span] = text.split(",");
  const [from, to] = span.map(Number);
  const fits = span.length === 0 || span.length === 2 && modality === "audio" && Number.isFinite(from) && Number.isFinite(to);
  if (!/^sha256-[0-9a-f]{64}$/.test(upload2 ?? "") || !fits) return null;
  return { kind: "upload", file: { upload: upload2, modality }, ...span.length && { from, to } };
}
var SEVERAL = /* @__PURE__ */ new Set(["text", "like", "image", "audio", "sat", "license"]);
function fromSearch(search2) {
  const asked2 = { parts: [], target: null, filter: { ...NO_FILTER, license: [] }, more: [], less: [], generation: null };
  const out = { asked: asked2, sort: "score", open: null, view: null, unread: [] };
  const f5 = asked2.filter;
  const part2 = (found) => found !== null && asked2.parts.push(found) > 0;
  const whole = (v5, set) => /^\d+$/.test(v5) && (set(Number(v5)), true);
  const given = (found, set) => found !== null && (set(found), true);
  const onOff = (v5, set) => /^(1|0|true|false)$/.test(v5) && (set(v5 === "1" || v5 === "true"), true);
  const readers = {
    text: (text) => part2({ kind: "text", text }),
    place: (v5) => given(placeOf(v5), (at) => part2({ kind: "place", at })),
    env: (v5) => given(numbersOf(v5), (values) => part2({ kind: "env", values })),
    like: (v5) => part2(likeOf(v5)),
    image: (v5) => part2(fileOf("image", v5)),
    audio: (v5) => part2(fileOf("audio", v5)),
    sat: (v5) => part2(fileOf("sat", v5)),
    target: (v5) => given(v5, (target) => asked2.target = target),
    taxon: (v5) => given(v5, (taxon) => f5.taxon = taxon),
    bbox: (v5) => given(boxOf(v5), (bbox) => f5.bbox = bbox),
    near: (v5) => given(nearOf(v5), (near) => f5.near = near),
    since: (v5) => given(v5, (since) => f5.since = since),
    until: (v5) => given(v5, (until) => f5.until = until),
    license: (v5) => f5.license.push(v5) > 0,
    observed: (v5) => onOff(v5, (on) => f5.observedOnly = on),
    species: (v5) => onOff(v5, (on) => f5.onePerSpecies = on),
    more: (v5) => given(rowsOf(v5), (rows) => asked2.more = rows),
    less: (v5) => given(rowsOf(v5), (rows) => asked2.less = rows),
    generation: (v5) => whole(v5, (n3) => asked2.generation = n3),
    sort: (v5) => ["score", "date", "name"].includes(v5) && (out.sort = v5, true),
    open: (v5) => whole(v5, (row) => out.open = row),
    view: (v5) => given(numbersOf(v5, 3), () => out.view = v5)
  };
  const seen = /* @__PURE__ */ new Set();
  for (const [name, value2] of search2) {
    const reader = Object.hasOwn(readers, name) ? readers[name] : void 0;
    const again = seen.has(name) && !SEVERAL.has(name);
    if (reader && value2.trim() === "") continue;
    if (!reader || again || !reader(value2)) out.unread.push(`${name}=${value2}`);
    else seen.add(name);
  }
  if (!asked2.parts.length) [asked2.more, asked2.less] = [[], []];
  return out;
}

// src/scroll.ts
function scroller() {
  const list = document.querySelector(".list");
  return list && getComputedStyle(list).overflowY === "auto" ? list : document.documentElement;
}
var scrolled = () => scroller().scrollTop;
function scrollTo(top) {
  scroller().scrollTop = top;
}

// src/state.ts
var index = y3(null);
var indexRefusal = y3(null);
var asked = y3(NOTHING);
var answer = y3(null);
var hits = y3([]);
var facets = y3(null);
var refusal2 = y3(null);
var busy = y3(false);
var fetchingMore = y3(false);
var shown = y3(24);
var sort = y3("score");
var pane = y3("list");
var pointed = y3(null);
var opened = y3(null);
var helpOpen = y3(false);
var tool = y3("move");
var view = y3(null);
var placeHint = y3(null);
var unread = y3([]);
var said = y3("");
var told = y3("");
var sorted = O2(() => {
  const every = hits.value;
  if (sort.value === "score") return every;
  const key = (h6) => (sort.value === "date" ? h6.event_date : h6.scientific_name ?? h6.common_name) ?? null;
  return [...every].sort((a5, b6) => {
    const [x7, y6] = [key(a5), key(b6)];
    if (x7 === y6) return a5.rank - b6.rank;
    if (x7 === null || y6 === null) return x7 === null ? 1 : -1;
    const order = sort.value === "date" ? x7 < y6 ? 1 : -1 : x7.localeCompare(y6);
    return order || a5.rank - b6.rank;
  });
});
function say(text) {
  said.value = "";
  queueMicrotask(() => said.value = text);
}
var passing = 0;
function tell(text) {
  told.value = text;
  say(text);
  clearTimeout(passing);
  passing = window.setTimeout(() => told.value = "", 4e3);
}

// strings/de.json
var de_default = {
  skip: "Zur Antwort springen",
  opening: "Der Index wird geöffnet …",
  close: "Schließen",
  yes: "ja",
  no: "nein",
  count: "{n}",
  language: "Sprache",
  "palette.auto": "Farben: wie das System",
  "palette.dark": "Farben: dunkel",
  "palette.light": "Farben: hell",
  "index.rows": "{n} {n|Beobachtung|Beobachtungen}",
  "index.generation": "Generation {n}",
  "index.model": "Modell {name}",
  "index.invented": "ein erfundener Planet",
  "index.newer": "Der Index hat sich seit dieser Antwort geändert. Die Antwort steht, wie sie war; Neues wird gefunden, wenn Sie erneut fragen.",
  "ask.title": "Fragen",
  "drop.title": "Foto, Ton oder Kachel ablegen, einfügen oder wählen",
  "drop.kinds": "JPEG, PNG, HEIC · WAV, MP3, M4A, FLAC · GeoTIFF",
  "drop.most": "bis {mb} MB",
  "upload.going": "{name} wird gesendet",
  "upload.large": "{name} hat {size} MB; dieser Server nimmt höchstens {most} MB.",
  "upload.empty": "{name} ist leer.",
  "record.start": "Aufnehmen",
  "record.stop": "Beenden",
  "record.hint": "Nimmt bis zu zehn Sekunden auf",
  "record.denied": "Der Browser gab kein Mikrofon frei.",
  "record.insecure": "Browser nehmen nur auf localhost oder über https auf.",
  "record.name": "Aufnahme",
  "name.label": "Name",
  "name.placeholder": "Wissenschaftlicher oder deutscher Name",
  "place.label": "Ort",
  "place.pick": "Auf der Karte wählen",
  "place.wrong": "Ein Ort wird als Breite, Länge in Grad geschrieben: 46.80, 7.15.",
  chips: "Wonach gefragt wird",
  "chip.remove": "{name} entfernen",
  "chip.env": "Klimawerte",
  "chip.row": "Beobachtung {row}",
  "chip.like": "Ähnliches",
  "chip.like.by": "Ähnliches, nach {by}",
  "chip.marks": "Ihre Markierungen: {more} richtig, {less} falsch",
  "found.place": "auch nach {place} fragen, wo {name} entstand",
  "span.open": "Sekunden wählen",
  "span.title": "Nach welchen Sekunden gefragt wird",
  "span.from": "von, s",
  "span.to": "bis, s",
  "span.use": "Nach diesen Sekunden fragen",
  find: "Gesucht",
  "target.image": "Foto",
  "target.audio": "Ton",
  "target.sat": "Kachel",
  "target.loc": "Ort",
  "target.env": "Klima",
  "target.text": "Name",
  "modality.image": "Foto",
  "modality.audio": "Ton",
  "modality.sat": "Satellitenkachel",
  "modality.loc": "Ort",
  "modality.env": "Klima",
  "modality.text": "Name",
  "contents.image": "{n|Foto|Fotos}",
  "contents.audio": "{n|Ton|Töne}",
  "contents.sat": "{n|Satellitenkachel|Satellitenkacheln}",
  "contents.loc": "{n|Ort|Orte}",
  "contents.env": "{n|Klimaangabe|Klimaangaben}",
  "contents.text": "{n|Name|Namen}",
  "its.image": "seinem Foto",
  "its.audio": "seinem Ton",
  "its.sat": "seiner Satellitenkachel",
  "its.loc": "seinem Ort",
  "its.env": "seinem Klima",
  "its.text": "seinem Namen",
  "a.image": "ein Foto",
  "a.audio": "einen Ton",
  "a.sat": "eine Satellitenkachel",
  "a.loc": "einen Ort",
  "a.env": "Klimawerte",
  "a.text": "einen Namen",
  "rank.kingdom": "Reich",
  "rank.phylum": "Stamm",
  "rank.class": "Klasse",
  "rank.order": "Ordnung",
  "rank.family": "Familie",
  "rank.genus": "Gattung",
  "rank.species": "Art",
  "sure.known": "{hit} ist mit {p} {what} ({low}–{high}): {right} von {rows} ähnlichen Antworten waren {where} richtig.",
  "sure.hit": "Treffer {n}",
  "sure.species": "die richtige Art",
  "sure.row": "genau diese Beobachtung",
  "sure.here": "in diesem Index",
  "sure.elsewhere": "bei der Prüfung des Modells, nicht hier,",
  "sure.unknown": "Wie wahrscheinlich der erste Treffer richtig ist, ist nicht bekannt: {reason}",
  "sure.set": "Mit {level} eine von:",
  "sure.more": "und {n} weitere",
  "sigma.percentile": "Das Modell ist hier unsicherer als bei {percent} der Beobachtungen (‖σ‖₁ {s})",
  "sigma.alone": "Eigene Unsicherheit des Modells: ‖σ‖₁ {s}",
  "sigma.unmeasured": "Ob diese Unsicherheit dem Fehler folgt, wurde bei diesem Modell nicht gemessen.",
  "sigma.weak": "Bei diesem Modell folgt sie dem Fehler kaum (Spearman {r}).",
  "sigma.follows": "Bei diesem Modell folgt sie dem Fehler (Spearman {r}).",
  "add.next": "{what} hinzufügen: {n} von 100 Antworten mehr wären richtig",
  "only.title": "Nur",
  "only.clear": "Filter aufheben",
  "only.taxon": "Taxon",
  "only.taxon.placeholder": "jeder Rang",
  "only.observed": "nur Beobachtetes, nichts Ergänztes",
  "only.species": "ein Treffer je Art",
  "only.date": "Datum",
  "only.since": "von",
  "only.until": "bis",
  "only.date.hint": "Jahr, Monat oder Tag: 2024, 2024-06 oder 2024-06-25",
  "only.where": "Wo",
  "only.view": "Kartenausschnitt",
  "only.bbox": "{w} bis {e} östlich, {s} bis {n} nördlich",
  "only.license": "Lizenz",
  "near.latitude": "Breite",
  "near.longitude": "Länge",
  "near.km": "km Umkreis",
  "near.set": "Begrenzen",
  "near.clear": "Aufheben",
  "among.title": "Unter {n|diesem|diesen} {n} {n|Treffer|Treffern}",
  "among.genus": "Gattung",
  "among.family": "Familie",
  "among.species": "Art",
  "among.month": "Monat",
  "among.more": "und {n} weitere",
  "results.eligible": "{n} kommen in Frage",
  "results.eligible.of": "{n} von {all} kommen in Frage",
  "results.ranked": "{n} geordnet",
  "results.busy": "Suche läuft …",
  "results.none": "Nichts kommt in Frage.",
  "results.more": "Mehr zeigen",
  "results.shown": "{n} von {all} gezeigt",
  sort: "Ordnen nach",
  "sort.score": "Ähnlichkeit",
  "sort.date": "Datum",
  "sort.name": "Name",
  link: "Link",
  "link.copied": "Der Link zu dieser Antwort ist in der Zwischenablage.",
  "link.bar": "Die Adresszeile enthält den Link zu dieser Antwort.",
  "card.open": "Treffer {rank}, {name}: öffnen",
  "card.observed": "beobachtet",
  "card.completed": "ergänzt",
  "card.completed.why": "Das hat niemand beobachtet: Das Modell ergänzt es aus dem, was die Beobachtung hat.",
  "card.has": "beobachtet: {what}",
  "card.nofile": "keine Datei",
  "card.nofile.completed": "vom Modell ergänzt, keine Datei",
  "card.unshown": "nicht gezeigt",
  "card.unshown.outside": "die Datei liegt außerhalb der Medienordner des Index; serve --media ORDNER nennt einen",
  "card.unshown.moved": "die Datei ist nicht mehr, wo sie war; serve --media ORDNER sagt, wo sie jetzt ist",
  "card.unshown.remote": "der Index kennt nur eine Adresse im Netz",
  "card.unshown.unreadable": "die Datei war beim Bau des Index nicht lesbar",
  "card.unshown.unnamed": "beobachtet, aber der Index nennt keine Datei",
  "card.unshown.obscured": "die Kachel verriete den verschleierten Ort",
  "card.missing": "die Datei fehlt",
  "card.unnamed": "unbestimmt",
  "card.undated": "ohne Datum",
  "card.placeless": "ohne Ort",
  "card.obscured": "Ort verschleiert",
  "card.unlicensed": "keine Lizenz angegeben",
  "card.nc": "nicht kommerziell",
  "card.nc.why": "Diese Lizenz erlaubt keine kommerzielle Nutzung",
  "card.score": "Wert: Kosinusähnlichkeit nach den Gewichten des Modells",
  "card.right": "{p} richtig",
  "card.right.why": "Wie wahrscheinlich diese Antwort richtig ist, nach der Kalibrierung von Index oder Modell",
  "similar.title": "Ähnliches",
  "similar.of": "zu {name}",
  "similar.by": "nach {what}",
  "similar.all": "nach allem",
  marks: "Markierungen",
  "marks.count": "{yes} richtig, {no} falsch",
  "marks.again": "Mit den Markierungen neu fragen",
  "mark.yes.do": "Als richtig markieren",
  "mark.no.do": "Als falsch markieren",
  "mark.yes": "Als richtig markiert.",
  "mark.no": "Als falsch markiert.",
  "mark.away": "Die Markierung ist entfernt.",
  "mark.fails": "Die Markierung konnte nicht gespeichert werden:",
  export: "Export",
  "export.marked": "Markierte exportieren",
  "export.csv": "CSV",
  "export.csv.what": "Tabelle für R, pandas, Tabellenprogramme",
  "export.geojson": "GeoJSON",
  "export.geojson.what": "Punkte für Karten",
  "export.gpkg": "GeoPackage",
  "export.gpkg.what": "Ebene für QGIS und ArcGIS",
  "export.geoparquet": "GeoParquet",
  "export.geoparquet.what": "Punkte für DuckDB, GeoPandas",
  "export.parquet": "Parquet",
  "export.parquet.what": "Tabelle mit Datentypen",
  "export.dwca": "Darwin-Core-Archiv",
  "export.dwca.what": "für GBIF und OBIS",
  "export.species": "Artenliste",
  "export.species.what": "die Arten der Antwort, gezählt",
  "export.rights": "Lizenz und Rechteinhaber stehen in jeder Zeile.",
  "start.title": "Was möchten Sie finden?",
  "start.how": "Legen Sie ein Foto oder eine Aufnahme ab, tippen Sie einen Namen oder wählen Sie einen Ort. Mehreres gilt zusammen.",
  "start.some": "Oder beginnen Sie hiermit",
  "refused.title": "Es gibt keine Antwort",
  "refused.unreachable": "Der Server antwortet nicht. Läuft prom3e-index serve noch?",
  "refused.token": "Dieser Browser hat kein Token. Öffnen Sie die Adresse, die prom3e-index serve ausgegeben hat.",
  "refused.busy": "Der Server ist ausgelastet. Versuchen Sie es gleich noch einmal.",
  "refused.gone": "Etwas, das dieser Link nennt, ist nicht mehr da; gesendete Dateien bleiben eine Stunde.",
  "refused.near": "Meinten Sie",
  "refused.again": "Noch einmal",
  "refused.without": "Ohne diese Dateien fragen",
  "sound.play": "Abspielen",
  "sound.play.of": "{name} abspielen",
  "sound.pause": "Anhalten",
  "sound.speed": "Tempo",
  "sound.expanded": "1/10, für Fledermäuse",
  "sound.position": "Stelle in der Aufnahme von {name}",
  "sound.at": "{at} von {of}",
  "sound.range": "{low} bis {high} dB gezeichnet",
  "sound.before": "die Minute davor",
  "sound.after": "die nächste Minute",
  "sound.fails": "Dieser Ton lässt sich nicht abspielen.",
  "map.title": "Karte",
  "map.region": "Karte der Treffer; die Liste enthält dasselbe",
  "map.tools": "Werkzeuge der Karte",
  "map.in": "Vergrößern",
  "map.out": "Verkleinern",
  "map.fit": "Alles zeigen",
  "map.west": "Westen",
  "map.east": "Osten",
  "map.north": "Norden",
  "map.south": "Süden",
  "map.density": "Beobachtungen:",
  "map.placeless": "{n} ohne Ort",
  "map.planet": "Der erfundene Planet der Demo",
  "map.picture": "Karte von {n} Treffern; die Liste enthält dasselbe",
  "map.flat": "Vom Server gezeichnet: Dieser Browser hat kein WebGL 2.",
  "tool.move": "Bewegen",
  "tool.move.why": "Die Karte bewegen",
  "tool.pick": "Hier fragen",
  "tool.pick.why": "Nach einem Ort auf der Karte fragen",
  "tool.box": "Rechteck",
  "tool.box.why": "Nur Treffer in einem Rechteck",
  "tool.circle": "Kreis",
  "tool.circle.why": "Nur Treffer in einem Kreis",
  "tool.pick.how": "Klicken Sie den Ort an. Escape beendet.",
  "tool.box.how": "Ziehen Sie ein Rechteck auf, in dem Treffer liegen müssen. Escape beendet.",
  "tool.circle.how": "Ziehen Sie einen Kreis von der Mitte aus. Escape beendet.",
  range: "Verbreitung",
  "range.why": "Wo das Modell das Gefragte erwartet",
  "range.busy": "Karte entsteht …",
  "range.refused": "Davon gibt es keine Karte:",
  "range.legend": "Ähnlichkeit von {n} Zellen",
  "range.outside": "{n} blasser: weiter von den Beobachtungen, als diese prüfen können",
  panes: "Teile der Seite",
  "pane.list": "Liste",
  "pane.map": "Karte",
  "pane.filters": "Filter",
  "box.at": "{n} von {all}",
  "box.before": "Treffer davor",
  "box.after": "Nächster Treffer",
  "box.photo": "Foto von {name}",
  "box.tile": "Satellitenkachel",
  "box.only": "Nur {name}",
  "box.fields": "Alles, was von dieser Beobachtung bekannt ist",
  "help.open": "Tasten und Hilfe",
  "help.title": "Tasten",
  "help.how": "Alles geht mit der Tastatur; Tab führt durch die Seite.",
  "help.single": "Einzelne Buchstaben sind Befehle",
  "help.api": "Für Programme und QGIS:",
  "help.notices": "Werke anderer auf dieser Seite",
  "key.search": "zum Namensfeld",
  "key.arrows": "von Treffer zu Treffer",
  "key.enter": "Treffer öffnen",
  "key.space": "abspielen, anhalten",
  "key.mark": "als richtig markieren",
  "key.reject": "als falsch markieren",
  "key.similar": "Ähnliches",
  "key.more": "mehr Treffer; der nächste in der großen Ansicht",
  "key.back": "eine Seite zurück; der vorige in der großen Ansicht",
  "key.filter": "zu den Filtern",
  "key.map": "zur Karte",
  "key.help": "diese Seite",
  "key.escape": "schließen; Werkzeug weglegen",
  "heard.answer": "{n} Treffer gezeigt, {eligible} kommen in Frage.",
  "heard.removed": "{name} entfernt.",
  "heard.uploaded": "{name} ist gesendet.",
  "sure.first": "Der erste Treffer",
  "sure.outside": "Der nächste mit Artnamen",
  "shown.instead": "gezeigt: {what}",
  "chance.over": "über {p}",
  "chance.under": "unter {p}",
  "map.basemap.fails": "Die Karte unter den Treffern ist nicht lesbar:",
  "map.few": "wenige",
  "map.many": "viele",
  "box.original.image": "Originalfoto",
  "box.original.audio": "Originalton",
  "index.again": "Erneut fragen",
  "link.unread": "Von diesem Link versteht die Seite nicht und lässt weg:",
  "among.hour": "Tageszeit (Stunde), wie angegeben",
  "among.timeless": "{n} ohne Uhrzeit",
  "among.monthless": "{n} ohne Monat",
  "path.exact": "exakt",
  "note.generation": "Der Link stammt von Generation {asked} des Index; Generation {n} hat geantwortet.",
  "climate.title": "Klima",
  "climate.variable": "Variable",
  "climate.of.hit": "Treffer",
  "climate.of.query": "gefragt",
  "climate.farthest": "Am weitesten auseinander: {name}, um {n}.",
  "climate.unit": "In Standardabweichungen vom Mittel des Klimarasters des Modells, das 0 ist.",
  "climate.hit.obscured": "Nicht gezeigt: Das Klima verriete den Ort, der verschleiert ist.",
  "climate.hit.none": "Hier wurde kein Klima beobachtet; wo das Modell es ergänzt hat, ist es ein Vektor und sind keine Werte.",
  "climate.hit.gone": "Der Index hält keine Klimawerte, und das Raster, mit dem er gebaut wurde, ist nicht da.",
  "climate.hit.outside": "Das Klimaraster weiß an diesem Ort nichts.",
  "climate.query.obscured": "Kein Vergleich: Der Ort der Beobachtung, mit der gefragt wird, ist verschleiert.",
  "climate.query.none": "Kein Vergleich: Die Beobachtung, mit der gefragt wird, hat kein Klima.",
  "climate.query.gone": "Kein Vergleich: Der Index kennt das Klima eines Ortes nicht; er wurde ohne Raster gebaut, oder das Raster ist nicht da.",
  "climate.query.outside": "Kein Vergleich: Das Klimaraster weiß am gefragten Ort nichts.",
  "climate.query.several": "Kein Vergleich: Es wird mit mehreren Beobachtungen gefragt.",
  "climate.query.unasked": "Kein Vergleich: Nichts von dem, was gefragt wird, hat ein Klima. Ein Ort, Klimawerte oder eine Beobachtung hätten eines.",
  "climate.elevation": "Höhe",
  "climate.bio_1": "Mitteltemperatur, Jahr",
  "climate.bio_2": "Tagesspanne der Temperatur",
  "climate.bio_3": "Isothermalität",
  "climate.bio_4": "Saisonalität der Temperatur",
  "climate.bio_5": "Höchsttemperatur, wärmster Monat",
  "climate.bio_6": "Tiefsttemperatur, kältester Monat",
  "climate.bio_7": "Jahresspanne der Temperatur",
  "climate.bio_8": "Temperatur, nassestes Quartal",
  "climate.bio_9": "Temperatur, trockenstes Quartal",
  "climate.bio_10": "Temperatur, wärmstes Quartal",
  "climate.bio_11": "Temperatur, kältestes Quartal",
  "climate.bio_12": "Niederschlag, Jahr",
  "climate.bio_13": "Niederschlag, nassester Monat",
  "climate.bio_14": "Niederschlag, trockenster Monat",
  "climate.bio_15": "Saisonalität des Niederschlags",
  "climate.bio_16": "Niederschlag, nassestes Quartal",
  "climate.bio_17": "Niederschlag, trockenstes Quartal",
  "climate.bio_18": "Niederschlag, wärmstes Quartal",
  "climate.bio_19": "Niederschlag, kältestes Quartal",
  "said.meaningless": "Die Antworten bedeuten nichts: Das Modell {model} kennt nur den erfundenen Planeten der Demo, und diese Beobachtungen sind nicht von dort.",
  "said.unmeasured": "Wie viel von der genauen Antwort eine Suche findet, wurde hier nicht gemessen.",
  "said.averaged": "{n} {things}, zu einem gemittelt.",
  "said.like.more": "Gefragt mit {modalities} von {ids} und {n} weiteren, wie der Index sie hält; sie selbst sind nicht unter den Treffern.",
  "said.like": "Gefragt mit {modalities} von {ids}, wie der Index sie hält; womit gefragt wird, ist nicht unter den Treffern.",
  "said.moved": "Durch Ihre Markierungen verschoben: hin zu {more} {more|richtigen|richtigen}, weg von {less} {less|falschen|falschen}.",
  "said.moved.more": "Durch Ihre Markierungen verschoben: hin zu {n} {n|richtigen|richtigen}.",
  "said.moved.less": "Durch Ihre Markierungen verschoben: weg von {n} {n|falschen|falschen}.",
  "said.name.here": "{typed} ist in diesem Index ({n} {n|Beobachtung|Beobachtungen}); gefragt als „{asked}“.",
  "said.name.several": "{typed} steht in diesem Index für {name} ({n} {n|Beobachtung|Beobachtungen}) und für {others}, nach denen mit ihren wissenschaftlichen Namen gefragt wird; gefragt als „{asked}“.",
  "said.name.common": "{typed} ist der Trivialname von {name} in diesem Index ({n} {n|Beobachtung|Beobachtungen}); gefragt als „{asked}“.",
  "said.name.rank": "{typed} ist in diesem Index, als {rank}: {name} ({n} {n|Beobachtung|Beobachtungen}); gefragt als „{asked}“.",
  "said.name.other": "{typed} ist ein Name von {name} in diesem Index ({n} {n|Beobachtung|Beobachtungen}); gefragt als „{asked}“.",
  "said.name.species": "{typed} ist nicht in diesem Index, aber die Art; gefragt als „{asked}“.",
  "said.name.genus.near": "{typed} ist nicht in diesem Index, aber die Gattung. Am nächsten: {near}. Gefragt als „{asked}“.",
  "said.name.genus": "{typed} ist nicht in diesem Index, aber die Gattung; gefragt als „{asked}“.",
  "said.name.none.near": "Dieser Index hat kein Taxon {typed}; am nächsten: {near}. Gefragt wie getippt.",
  "said.name.none": "Dieser Index hat kein Taxon {typed}; gefragt wie getippt.",
  "said.fewer": "{n} von {k} Treffern: Mehr kommen nicht in Frage.",
  "said.changed": "Der Index hat sich seither geändert: Er steht jetzt bei Generation {n}. Fragen Sie erneut.",
  "said.out.date": "{n} von {all} Beobachtungen {n|hat|haben} kein Datum und {n|bleibt|bleiben} außen vor.",
  "said.out.place": "{n} von {all} Beobachtungen {n|hat|haben} keinen Ort und {n|bleibt|bleiben} außen vor.",
  "said.out.name": "{n} von {all} Beobachtungen {n|hat|haben} keinen Namen und {n|bleibt|bleiben} außen vor.",
  "said.turned": "Der Ort {place} liegt außerhalb aller Beobachtungen und {other} unter ihnen: Die Breite steht zuerst.",
  "said.unobserved": "Keine Beobachtung hier hat {modality}: Jeder Treffer ist, was das Modell daraus macht. Es gibt {modalities}.",
  "said.none.like": "Den Filtern genügen nur die Beobachtungen, mit denen gefragt wird.",
  "said.none": "Keine Beobachtung genügt den Filtern.",
  "said.none.each": "Was jeder Filter allein übrig lässt: {parts}.",
  "said.none.where": "Die Beobachtungen liegen zwischen {south} und {north} Grad Breite und zwischen {west} und {east} Grad Länge.",
  "said.none.placeless": "Keine Beobachtung hat einen Ort.",
  "said.none.turned": "Mit vertauschter Breite und Länge {n|bleibt|bleiben} {n}.",
  "said.none.dates": "Die Daten der Beobachtungen reichen von {first} bis {last}.",
  "said.none.licences": "Lizenzen der Beobachtungen: {licences}.",
  "said.none.unlicensed": "Der Index kennt keine Lizenzen: Alle Rechte sind vorbehalten.",
  "said.files.none": "Keine der {all} Dateien dieser Treffer ist, wo sie war, so {file}. Wer den Server betreibt, kann sagen, wo sie sind.",
  "said.files.some": "{n} der {all} Dateien dieser Treffer {n|ist|sind} da; nicht zum Beispiel {file}. Wer den Server betreibt, kann sagen, wo sie sind.",
  "said.hubs.segments": "Eine frühere Version hat die Korrektur gegen Hubs je Segment gemacht: Werte zweier Segmente sind nicht vergleichbar. `prom3e-index rebuild` behebt es.",
  "said.beside.model": "Benutzt wird das Modell neben dem Index, {file}: {known} ist nicht da.",
  "said.beside.hub": "Benutzt wird die Kopie des Hubs neben dem Index, {file}: {known} ist nicht da.",
  "said.longer": "{file} ist länger als {seconds} s: Nur diese ersten werden gelesen.",
  "said.video": "{file} ist ein Video von {seconds} s: Von seinen Bildern wird das bei {at} s gesehen.",
  "said.unsure.moved": "Das ist für Fragen kalibriert, die keine Markierungen verschoben haben.",
  "said.unsure.model": "Kalibriert ist es mit dem Modell {model}, nicht mit {other}.",
  "said.unsure.eligible": "{n} {n|Zeile kommt|Zeilen kommen} in Frage; {least} sind nötig.",
  "said.unsure.first": "Keine der ersten {n} Zeilen hat eine Art.",
  "said.unsure.one": "Alles, was in Frage kommt, ist von einer Art.",
  "said.unsure.other": "Ohne Artnamen sagt nichts, welche andere Beobachtung richtig ist ({modality}).",
  "said.unsure.way.one": "Es wurden keine Antworten geprüft, die {modality} nach einer Angabe suchen.",
  "said.unsure.way.several": "Es wurden keine Antworten geprüft, die {modality} nach mehreren Angaben suchen.",
  "said.unsure.way.shown": "Es wurden keine Antworten geprüft, die {modality} nach ebensolchem suchen.",
  "said.unsure.few": "Mit {n} {n|Beobachtung|Beobachtungen} konnte gefragt werden; {least} sind nötig.",
  "said.unsure.sides": "{right} Antworten waren richtig und {wrong} falsch; je {least} sind nötig.",
  "said.unsure.asked": "Alles, womit gefragt wurde, ist von einer Art.",
  "said.unsure.all": "Alle Beobachtungen sind von einer Art.",
  "said.unsure.rows": "Der Index hat {n} {n|Zeile|Zeilen}; {least} sind nötig.",
  "said.unsure.kin": "{n} der {all} Zeilen konnten fragen; {least} sind nötig, jede mit zwei Modalitäten und einer weiteren Beobachtung ihrer Art.",
  "said.unsure.two": "{n} der {all} Zeilen konnten fragen; {least} sind nötig, jede mit zwei Modalitäten.",
  "said.unsure.earlier": "Der Index wurde von einer früheren Version gebaut; `prom3e-index rebuild` kalibriert ihn.",
  "said.unsure.changed": "Die Zeilen des Index haben sich geändert, und er ließ sich nicht neu kalibrieren: {why}",
  "said.similarity": "Ähnlichkeit ist keine Wahrscheinlichkeit: Sie sagt, wo das Modell Orte findet, die dem Gefragten gleichen.",
  "said.map.withheld": "Seine Orte hält die Richtlinie des Index zurück ({why}). Eine Karte anderer Taxa kann sein.",
  "said.map.placeless": "Die {n} {n|Beobachtung|Beobachtungen} von {name} haben keinen Ort oder einen verborgenen.",
  "said.map.folder": "Das braucht einen Indexordner, und dieser Index liegt in einem Speicherdienst.",
  "said.taxon": "Keine Beobachtung ist von {name}.",
  "said.taxon.near": "Keine Beobachtung ist von {name}; am nächsten: {near}.",
  "said.upload.gone": "Die Datei ist nicht mehr da: Gesendetes bleibt eine Stunde nach dem letzten Gebrauch. Senden Sie sie noch einmal.",
  "said.search.gone": "Die Suche wird nicht mehr gehalten: Suchen bleiben eine Viertelstunde. Fragen Sie noch einmal.",
  "said.search.none": "Diese Suche gibt es nicht. Fragen Sie noch einmal.",
  "said.row.none": "Der Index hat in Zeile {row} keine Beobachtung.",
  "said.row.outside": "Zeile {row} gibt es nicht: Die Zeilen von {name} sind von 0 bis {last} nummeriert.",
  "said.row.removed": "Zeile {row} wurde aus dem Index entfernt.",
  "said.row.lacks": "Mit Zeile {row} lässt sich nicht nach {by} fragen: Sie hat {modalities}.",
  "said.generation": "Generation {asked} des Index ist nicht offen. Fragen Sie noch einmal.",
  "said.generation.gone": "Was gefunden wurde, ist nicht mehr da. Fragen Sie noch einmal.",
  "said.climate": "Der Link hat eine andere Zahl von Klimawerten als die {n} des Modells.",
  "said.date": "{date} ist kein Datum: Jahr, Monat oder Tag, wie 2024, 2024-05 oder 2024-05-01.",
  "said.dates.order": "{since} liegt nach {until}; kein Tag ist beides.",
  "said.latitude.turned": "Die Breite {value} liegt außerhalb von ±90 Grad; Breite und Länge scheinen vertauscht.",
  "said.latitude": "Die Breite {value} liegt außerhalb von ±90 Grad.",
  "said.longitude": "Die Länge {value} liegt außerhalb von ±180 Grad.",
  "said.box": "Das Rechteck {box} ist keines: Nötig sind Westen, Süden, Osten, Norden, mit Süden unter Norden.",
  "said.waiting": "{n} {n|Suche wartet|Suchen warten} schon. Versuchen Sie es in {wait} s noch einmal.",
  "said.moment": "Versuchen Sie es gleich noch einmal.",
  "said.rate": "Zu viele Anfragen. Versuchen Sie es in {wait} s noch einmal.",
  "said.deadline": "Die Suche dauerte länger als {seconds} s und wurde angehalten. Ein engerer Filter hilft.",
  "said.ending": "Der Server wird beendet. Versuchen Sie es später noch einmal.",
  "said.store": "Der Speicherdienst, in dem der Index liegt, antwortet nicht, wie er soll. Versuchen Sie es gleich noch einmal; wer den Server betreibt, findet mehr im Protokoll.",
  "said.disk": "Die Platte des Servers ist voll. Wer ihn betreibt, kann Platz schaffen.",
  "said.uploads.full": "Für Dateien ist gerade kein Platz. Versuchen Sie es in einer Minute noch einmal.",
  "said.marks.full": "Die Datei der Markierungen, {file}, hat {size} MB; {most} MB sind das Höchste.",
  "said.marks.none": "Keiner der {n} Treffer ist als richtig markiert.",
  "said.upload.large": "Die Datei hat {size} MB oder mehr; {most} MB werden angenommen. Senden Sie ein kleineres Foto oder den Teil der Aufnahme, auf den es ankommt.",
  "said.upload.body": "Höchstens {most} MB werden hier angenommen.",
  "said.slow": "Die Datei kam nicht innerhalb von {seconds} s. Senden Sie sie noch einmal oder eine kleinere.",
  "said.span": "Der Abschnitt geht von {begin} s bis {end} s.",
  "said.media.neither": "Die Datei ist weder Foto noch Aufnahme: {why}.",
  "said.media.empty": "Die Datei ist leer.",
  "said.media.image": "Die Datei ist beschädigt oder ein Foto einer Art, die nicht gelesen wird. Kopieren Sie sie noch einmal, oder speichern Sie sie neu.",
  "said.media.format": "Die Datei ist kein Bild eines bekannten Formats ({formats}) oder beschädigt. Speichern Sie sie als JPEG oder PNG.",
  "said.media.undecoded": "Die Datei lässt sich nicht dekodieren: {why}",
  "said.media.sound": "Die Datei ist keine Aufnahme, die sich dekodieren lässt: {why}",
  "said.media.length": "Die Datei enthält keinen Ton: Sie ist 0 s lang.",
  "said.media.samples": "Die Datei enthält keinen Ton.",
  "said.media.silent": "Die Aufnahme ist durchgehend still.",
  "said.media.colour": "Das Bild hat überall dieselbe Farbe: Es ist nichts zu sehen.",
  "said.media.pixels": "Das Bild hat {wide} × {tall} Pixel, mehr als {most}. Verkleinern Sie es zuvor.",
  "said.media.slow": "Die Datei zu dekodieren dauerte länger als {seconds} s.",
  "said.media.crashed": "Die Datei ließ den Dekoder abstürzen.",
  "things.photos": "Fotos",
  "things.tiles": "Kacheln",
  "things.recordings": "Aufnahmen",
  "things.names": "Namen",
  "part.near": "Umkreis",
  "part.bbox": "Rechteck",
  "part.taxon": "Taxon",
  "part.from": "von",
  "part.to": "bis",
  "part.licence-allow": "Lizenz",
  "part.having": "beobachtet",
  problem: "Der Server sagt:",
  "problem.media": "Eine Datei ist nicht lesbar.",
  "problem.input": "Etwas, wonach gefragt wurde, geht nicht.",
  "problem.shape": "Etwas hat eine andere Zahl von Werten, als das Modell nimmt.",
  "problem.request": "Ein Teil der Frage ist nicht, wie er sein muss.",
  "problem.mismatch": "Frage und Index stammen von verschiedenen Modellen.",
  "problem.index": "Der Index ist nicht lesbar.",
  "problem.model": "Das Modell ist nicht lesbar.",
  "problem.error": "Etwas Unvorhergesehenes ging schief.",
  "problem.no-media": "Die Datei ist weder Foto noch Aufnahme.",
  "path.approximate": "genähert",
  "field.id": "Kennung",
  "field.latitude": "Breite, °",
  "field.longitude": "Länge, °",
  "field.coordinate_uncertainty_m": "Unsicherheit des Ortes, m",
  "field.obscured": "Ort verschleiert",
  "field.place_level": "Ort vergröbert auf",
  "field.event_date": "Datum",
  "field.scientific_name": "wissenschaftlicher Name",
  "field.common_name": "Trivialname",
  "field.text": "Name, wie das Modell ihn liest",
  "field.license": "Lizenz",
  "field.rights_holder": "Rechteinhaber",
  "field.source": "Quelle",
  "field.observation": "Beobachtung",
  "field.sigma_l1": "Unsicherheit des Modells, ‖σ‖₁",
  "kbd.enter": "Eingabe",
  "kbd.space": "Leertaste",
  "card.withheld": "Ort zurückgehalten",
  "field.data_generalizations": "was vergröbert wurde",
  "field.information_withheld": "was zurückgehalten wurde",
  "level.withhold": "zurückgehalten",
  "said.map.fine": "Die feinsten Zellen, die die Richtlinie des Index erlaubt, sind {finest} breit ({why}). Fragen Sie nach einem größeren Teil der Karte."
};

// strings/en.json
var en_default = {
  skip: "Skip to the answer",
  opening: "Opening the index …",
  close: "Close",
  yes: "yes",
  no: "no",
  count: "{n}",
  language: "Language",
  "palette.auto": "Palette: as the system's",
  "palette.dark": "Palette: dark",
  "palette.light": "Palette: light",
  "index.rows": "{n} {n|observation|observations}",
  "index.generation": "generation {n}",
  "index.model": "model {name}",
  "index.invented": "an invented planet",
  "index.newer": "The index has changed since this answer. The answer stands as it was; what is new is found when you ask again.",
  "ask.title": "Ask",
  "drop.title": "Drop, paste or choose a photo, sound or tile",
  "drop.kinds": "JPEG, PNG, HEIC · WAV, MP3, M4A, FLAC · GeoTIFF",
  "drop.most": "up to {mb} MB",
  "upload.going": "Sending {name}",
  "upload.large": "{name} has {size} MB; this server takes {most} MB at most.",
  "upload.empty": "{name} is empty.",
  "record.start": "Record",
  "record.stop": "Stop",
  "record.hint": "Records up to ten seconds",
  "record.denied": "The browser gave no microphone.",
  "record.insecure": "Browsers record only on localhost or over https.",
  "record.name": "recording",
  "name.label": "Name",
  "name.placeholder": "Scientific or common name",
  "place.label": "Place",
  "place.pick": "Pick on map",
  "place.wrong": "Write a place as latitude, longitude in degrees: 46.80, 7.15.",
  chips: "What is asked",
  "chip.remove": "Remove {name}",
  "chip.env": "climate values",
  "chip.row": "observation {row}",
  "chip.like": "more like this",
  "chip.like.by": "more like this, by {by}",
  "chip.marks": "your marks: {more} right, {less} wrong",
  "found.place": "also ask by {place}, where {name} was made",
  "span.open": "choose seconds",
  "span.title": "Which seconds are asked by",
  "span.from": "from, s",
  "span.to": "to, s",
  "span.use": "Ask by these seconds",
  find: "Find",
  "target.image": "Photo",
  "target.audio": "Sound",
  "target.sat": "Tile",
  "target.loc": "Place",
  "target.env": "Climate",
  "target.text": "Name",
  "modality.image": "photo",
  "modality.audio": "sound",
  "modality.sat": "satellite tile",
  "modality.loc": "place",
  "modality.env": "climate",
  "modality.text": "name",
  "contents.image": "{n|photo|photos}",
  "contents.audio": "{n|sound|sounds}",
  "contents.sat": "{n|satellite tile|satellite tiles}",
  "contents.loc": "{n|place|places}",
  "contents.env": "{n|climate|climates}",
  "contents.text": "{n|name|names}",
  "its.image": "its photo",
  "its.audio": "its sound",
  "its.sat": "its satellite tile",
  "its.loc": "its place",
  "its.env": "its climate",
  "its.text": "its name",
  "a.image": "a photo",
  "a.audio": "a sound",
  "a.sat": "a satellite tile",
  "a.loc": "a place",
  "a.env": "climate values",
  "a.text": "a name",
  "rank.kingdom": "kingdom",
  "rank.phylum": "phylum",
  "rank.class": "class",
  "rank.order": "order",
  "rank.family": "family",
  "rank.genus": "genus",
  "rank.species": "species",
  "sure.known": "{hit} is {what} with {p} ({low}–{high}): {right} of {rows} answers like it were right {where}.",
  "sure.hit": "Hit {n}",
  "sure.species": "the right species",
  "sure.row": "the very observation",
  "sure.here": "in this index",
  "sure.elsewhere": "where the model was validated, not here",
  "sure.unknown": "How likely the first hit is right is not known: {reason}",
  "sure.set": "With {level} one of:",
  "sure.more": "and {n} more",
  "sigma.percentile": "The model is less certain of what was asked than of {percent} of the observations (‖σ‖₁ {s})",
  "sigma.alone": "The model's own uncertainty of what was asked: ‖σ‖₁ {s}",
  "sigma.unmeasured": "Whether this uncertainty follows the error was not measured for this model.",
  "sigma.weak": "In this model it hardly follows the error (Spearman {r}).",
  "sigma.follows": "In this model it follows the error (Spearman {r}).",
  "add.next": "Add {what}: would put {n} more of 100 answers right",
  "only.title": "Only",
  "only.clear": "Clear filters",
  "only.taxon": "Taxon",
  "only.taxon.placeholder": "any rank",
  "only.observed": "observed only, nothing completed",
  "only.species": "one hit per species",
  "only.date": "Date",
  "only.since": "from",
  "only.until": "to",
  "only.date.hint": "A year, a month or a day: 2024, 2024-06 or 2024-06-25",
  "only.where": "Where",
  "only.view": "What the map shows",
  "only.bbox": "{w} to {e} east, {s} to {n} north",
  "only.license": "Licence",
  "near.latitude": "latitude",
  "near.longitude": "longitude",
  "near.km": "km around",
  "near.set": "Within",
  "near.clear": "Clear",
  "among.title": "Among these {n} {n|hit|hits}",
  "among.genus": "Genus",
  "among.family": "Family",
  "among.species": "Species",
  "among.month": "Month",
  "among.more": "and {n} more",
  "results.eligible": "{n} eligible",
  "results.eligible.of": "{n} eligible of {all}",
  "results.ranked": "{n} ranked",
  "results.busy": "Searching …",
  "results.none": "Nothing is eligible.",
  "results.more": "Show more",
  "results.shown": "{n} of {all} shown",
  sort: "Sort by",
  "sort.score": "score",
  "sort.date": "date",
  "sort.name": "name",
  link: "Link",
  "link.copied": "The link to this answer is in the clipboard.",
  "link.bar": "The address bar holds the link to this answer.",
  "card.open": "Hit {rank}, {name}: open",
  "card.observed": "observed",
  "card.completed": "completed",
  "card.completed.why": "Nobody observed this: the model completed it from what the observation has.",
  "card.has": "has an observed {what}",
  "card.nofile": "no file",
  "card.nofile.completed": "completed by the model, no file",
  "card.unshown": "not shown",
  "card.unshown.outside": "its file lies outside the index's media folders; serve --media FOLDER names one",
  "card.unshown.moved": "its file is not where it was; serve --media FOLDER says where it is now",
  "card.unshown.remote": "the index knows only an address on the web",
  "card.unshown.unreadable": "its file could not be read when the index was built",
  "card.unshown.unnamed": "observed, but the index names no file",
  "card.unshown.obscured": "its tile would tell the obscured place",
  "card.missing": "the file is not there",
  "card.unnamed": "not identified",
  "card.undated": "no date",
  "card.placeless": "no place",
  "card.obscured": "place obscured",
  "card.unlicensed": "no licence stated",
  "card.nc": "non-commercial",
  "card.nc.why": "This licence does not allow commercial use",
  "card.score": "score: cosine similarity after the weights of the model",
  "card.right": "{p} right",
  "card.right.why": "How likely this is the right answer, by the calibration of this index or model",
  "similar.title": "More like this",
  "similar.of": "{name}",
  "similar.by": "by {what}",
  "similar.all": "by all it has",
  marks: "Marks",
  "marks.count": "{yes} right, {no} wrong",
  "marks.again": "Ask again with the marks",
  "mark.yes.do": "Mark as right",
  "mark.no.do": "Mark as wrong",
  "mark.yes": "Marked as right.",
  "mark.no": "Marked as wrong.",
  "mark.away": "The mark is taken away.",
  "mark.fails": "The mark could not be kept:",
  export: "Export",
  "export.marked": "Export marked",
  "export.csv": "CSV",
  "export.csv.what": "a table for R, pandas, spreadsheets",
  "export.geojson": "GeoJSON",
  "export.geojson.what": "points for maps",
  "export.gpkg": "GeoPackage",
  "export.gpkg.what": "a layer for QGIS and ArcGIS",
  "export.geoparquet": "GeoParquet",
  "export.geoparquet.what": "points for DuckDB, GeoPandas",
  "export.parquet": "Parquet",
  "export.parquet.what": "a typed table",
  "export.dwca": "Darwin Core Archive",
  "export.dwca.what": "for GBIF and OBIS",
  "export.species": "Species list",
  "export.species.what": "the species of the answer, counted",
  "export.rights": "Licence and rights holder stand in every row.",
  "start.title": "What would you like to find?",
  "start.how": "Drop a photo or a recording, type a name, or pick a place. Give several to ask by all of them at once.",
  "start.some": "Or begin with one of these",
  "refused.title": "There is no answer",
  "refused.unreachable": "The server does not answer. Is prom3e-index serve still running?",
  "refused.token": "This browser has no token for the server. Open the address that prom3e-index serve printed.",
  "refused.busy": "The server is busy. Try again in a moment.",
  "refused.gone": "Something that this link names is gone; files that were sent are kept for an hour.",
  "refused.near": "Did you mean",
  "refused.again": "Try again",
  "refused.without": "Ask without these files",
  "sound.play": "Play",
  "sound.play.of": "Play {name}",
  "sound.pause": "Pause",
  "sound.speed": "Speed",
  "sound.expanded": "1/10, for bats",
  "sound.position": "Position in the recording of {name}",
  "sound.at": "{at} of {of}",
  "sound.range": "{low} to {high} dB drawn",
  "sound.before": "the minute before",
  "sound.after": "the next minute",
  "sound.fails": "This sound cannot be played.",
  "map.title": "Map",
  "map.region": "Map of the hits; the list holds the same",
  "map.tools": "Tools of the map",
  "map.in": "Zoom in",
  "map.out": "Zoom out",
  "map.fit": "Show all",
  "map.west": "West",
  "map.east": "East",
  "map.north": "North",
  "map.south": "South",
  "map.density": "Observations:",
  "map.placeless": "{n} without a place",
  "map.planet": "The invented planet of the demo",
  "map.picture": "Map of {n} hits; the list holds the same",
  "map.flat": "Drawn by the server: this browser has no WebGL 2.",
  "tool.move": "Move",
  "tool.move.why": "Move the map",
  "tool.pick": "Ask here",
  "tool.pick.why": "Ask by a place on the map",
  "tool.box": "Box",
  "tool.box.why": "Only hits within a box",
  "tool.circle": "Circle",
  "tool.circle.why": "Only hits within a circle",
  "tool.pick.how": "Click the place to ask by. Escape ends.",
  "tool.box.how": "Draw a box that hits must lie in. Escape ends.",
  "tool.circle.how": "Draw a circle from its middle. Escape ends.",
  range: "Range",
  "range.why": "Where the model expects what was asked",
  "range.busy": "Mapping …",
  "range.refused": "No map of this:",
  "range.legend": "similarity of {n} cells",
  "range.outside": "{n} paler: farther from the observations than those can test",
  panes: "Parts of the page",
  "pane.list": "List",
  "pane.map": "Map",
  "pane.filters": "Filters",
  "box.at": "{n} of {all}",
  "box.before": "Hit before",
  "box.after": "Next hit",
  "box.photo": "Photo of {name}",
  "box.tile": "Satellite tile",
  "box.only": "Only {name}",
  "box.fields": "All that is known of this observation",
  "help.open": "Keys and help",
  "help.title": "Keys",
  "help.how": "Everything works by keyboard; Tab goes through the page.",
  "help.single": "Single letters are shortcuts",
  "help.api": "For programs and QGIS:",
  "help.notices": "works of others in this page",
  "key.search": "to the name field",
  "key.arrows": "from hit to hit",
  "key.enter": "open the hit",
  "key.space": "play or pause",
  "key.mark": "mark as right",
  "key.reject": "mark as wrong",
  "key.similar": "more like this",
  "key.more": "more hits; next in the large view",
  "key.back": "back a page; the one before in the large view",
  "key.filter": "to the filters",
  "key.map": "to the map",
  "key.help": "this page",
  "key.escape": "close; put a tool away",
  "heard.answer": "{n} hits shown, {eligible} eligible.",
  "heard.removed": "{name} removed.",
  "heard.uploaded": "{name} is sent.",
  "sure.first": "The first hit",
  "sure.outside": "The nearest with a species",
  "shown.instead": "shown: its {what}",
  "chance.over": "over {p}",
  "chance.under": "under {p}",
  "map.basemap.fails": "The map below the hits cannot be read:",
  "map.few": "few",
  "map.many": "many",
  "box.original.image": "Original photo",
  "box.original.audio": "Original sound",
  "index.again": "Ask again",
  "link.unread": "Of this link the page does not understand, and leaves out:",
  "among.hour": "Hour of day, as stated",
  "among.timeless": "{n} without a time",
  "among.monthless": "{n} without a month",
  "path.exact": "exact",
  "note.generation": "The link was made of generation {asked} of the index; generation {n} has answered.",
  "climate.title": "Climate",
  "climate.variable": "Variable",
  "climate.of.hit": "hit",
  "climate.of.query": "asked",
  "climate.farthest": "Farthest apart: {name}, by {n}.",
  "climate.unit": "In standard deviations from the mean of the model's climate raster, which is 0.",
  "climate.hit.obscured": "Not shown: the climate would tell the place, which is obscured.",
  "climate.hit.none": "No climate was observed here; where the model completed it, it is an embedding and no values.",
  "climate.hit.gone": "The index keeps no climate values, and the raster that it was built with is not there.",
  "climate.hit.outside": "The climate raster knows nothing at this place.",
  "climate.query.obscured": "Nothing to compare with: the place of the observation asked with is obscured.",
  "climate.query.none": "Nothing to compare with: the observation asked with has no climate.",
  "climate.query.gone": "Nothing to compare with: the index knows no climate of a place; it was built without a raster, or the raster is not there.",
  "climate.query.outside": "Nothing to compare with: the climate raster knows nothing at the place asked.",
  "climate.query.several": "Nothing to compare with: several observations are asked with.",
  "climate.query.unasked": "Nothing to compare with: nothing that is asked has a climate. A place, climate values or an observation would.",
  "climate.elevation": "Elevation",
  "climate.bio_1": "Mean temperature, year",
  "climate.bio_2": "Daily temperature range",
  "climate.bio_3": "Isothermality",
  "climate.bio_4": "Temperature seasonality",
  "climate.bio_5": "Highest temperature, warmest month",
  "climate.bio_6": "Lowest temperature, coldest month",
  "climate.bio_7": "Yearly temperature range",
  "climate.bio_8": "Temperature, wettest quarter",
  "climate.bio_9": "Temperature, driest quarter",
  "climate.bio_10": "Temperature, warmest quarter",
  "climate.bio_11": "Temperature, coldest quarter",
  "climate.bio_12": "Precipitation, year",
  "climate.bio_13": "Precipitation, wettest month",
  "climate.bio_14": "Precipitation, driest month",
  "climate.bio_15": "Precipitation seasonality",
  "climate.bio_16": "Precipitation, wettest quarter",
  "climate.bio_17": "Precipitation, driest quarter",
  "climate.bio_18": "Precipitation, warmest quarter",
  "climate.bio_19": "Precipitation, coldest quarter",
  "said.meaningless": "The answers mean nothing: model {model} knows only the invented planet of the demo, and these observations are not of it.",
  "said.unmeasured": "How much of the exact answer a search finds has not been measured here.",
  "said.averaged": "{n} {things}, averaged to one.",
  "said.like.more": "Asked with {modalities} of {ids} and {n} more, as the index holds them; they are left out of the hits.",
  "said.like": "Asked with {modalities} of {ids}, as the index holds them; what is asked with is left out of the hits.",
  "said.moved": "Moved by your marks: towards {more} that {more|is|are} right, away from {less} that {less|is|are} wrong.",
  "said.moved.more": "Moved by your marks: towards {n} that {n|is|are} right.",
  "said.moved.less": "Moved by your marks: away from {n} that {n|is|are} wrong.",
  "said.name.here": "{typed} is in this index ({n} {n|observation|observations}); asked as “{asked}”.",
  "said.name.several": "{typed} stands for {name} in this index ({n} {n|observation|observations}), and for {others}, which are asked for by their scientific names; asked as “{asked}”.",
  "said.name.common": "{typed} is the common name of {name} in this index ({n} {n|observation|observations}); asked as “{asked}”.",
  "said.name.rank": "{typed} is in this index as {rank}: {name} ({n} {n|observation|observations}); asked as “{asked}”.",
  "said.name.other": "{typed} is a name of {name} in this index ({n} {n|observation|observations}); asked as “{asked}”.",
  "said.name.species": "{typed} is not in this index, its species is; asked as “{asked}”.",
  "said.name.genus.near": "{typed} is not in this index, its genus is. Nearest: {near}. Asked as “{asked}”.",
  "said.name.genus": "{typed} is not in this index, its genus is; asked as “{asked}”.",
  "said.name.none.near": "This index has no taxon {typed}; nearest: {near}. Asked as typed.",
  "said.name.none": "This index has no taxon {typed}; asked as typed.",
  "said.fewer": "{n} of {k} hits: no more are eligible.",
  "said.changed": "The index has changed since: it is at generation {n} now. Ask again.",
  "said.out.date": "{n} of {all} observations {n|has|have} no date and {n|is|are} left out.",
  "said.out.place": "{n} of {all} observations {n|has|have} no place and {n|is|are} left out.",
  "said.out.name": "{n} of {all} observations {n|has|have} no name and {n|is|are} left out.",
  "said.turned": "The place {place} lies outside of all observations, and {other} among them: latitude comes first.",
  "said.unobserved": "No observation here has {modality}: every hit is what the model makes of it. There is {modalities}.",
  "said.none.like": "No observation satisfies the filters but those that are asked with.",
  "said.none": "No observation satisfies the filters.",
  "said.none.each": "What each filter alone leaves: {parts}.",
  "said.none.where": "The observations lie at latitudes {south} to {north} and longitudes {west} to {east}.",
  "said.none.placeless": "No observation has a place.",
  "said.none.turned": "With latitude and longitude exchanged {n} {n|is|are} left.",
  "said.none.dates": "The dates of the observations go from {first} to {last}.",
  "said.none.licences": "Licences of the observations: {licences}.",
  "said.none.unlicensed": "The index knows no licences: all rights are reserved.",
  "said.files.none": "None of the {all} files of these hits is where it was, as {file}. Whoever runs the server can say where they are.",
  "said.files.some": "{n} of the {all} files of these hits {n|is|are} there; not {file}, as one. Whoever runs the server can say where they are.",
  "said.hubs.segments": "An earlier version corrected against hubs segment by segment: scores of two segments cannot be compared. `prom3e-index rebuild` mends it.",
  "said.beside.model": "The model beside the index is used, {file}: {known} is not there.",
  "said.beside.hub": "The copy of the hub beside the index is used, {file}: {known} is not there.",
  "said.longer": "{file} is longer than {seconds} s: only these first are read.",
  "said.video": "{file} is a video of {seconds} s: of its pictures the one at {at} s is seen.",
  "said.unsure.moved": "that is calibrated for what a query gives, not for one that marks have moved.",
  "said.unsure.model": "it is calibrated with model {model}, not with {other}.",
  "said.unsure.eligible": "{n} {n|row is|rows are} eligible; {least} are needed.",
  "said.unsure.first": "none of the first {n} rows has a species.",
  "said.unsure.one": "all eligible rows are of one species.",
  "said.unsure.other": "without names of species nothing says which other one is right ({modality}).",
  "said.unsure.way.one": "no answers were judged that look for {modality} by one part.",
  "said.unsure.way.several": "no answers were judged that look for {modality} by several parts.",
  "said.unsure.way.shown": "no answers were judged that look for {modality} by the same.",
  "said.unsure.few": "{n} {n|observation|observations} could be asked with; {least} are needed.",
  "said.unsure.sides": "{right} answers were right and {wrong} wrong; {least} of each are needed.",
  "said.unsure.asked": "all that asked is of one species.",
  "said.unsure.all": "all observations are of one species.",
  "said.unsure.rows": "the index has {n} {n|row|rows}; {least} are needed.",
  "said.unsure.kin": "{n} of the {all} rows could ask; {least} are needed, each with two modalities and another observation of its species.",
  "said.unsure.two": "{n} of the {all} rows could ask; {least} are needed, each with two modalities.",
  "said.unsure.earlier": "the index was built by an earlier version; `prom3e-index rebuild` calibrates it.",
  "said.unsure.changed": "the rows of the index have changed, and it could not be calibrated anew: {why}",
  "said.similarity": "Similarity is no probability: it says where the model finds places like what was asked for.",
  "said.map.withheld": "its places are withheld by the policy of the index ({why}). A map of other taxa may be.",
  "said.map.placeless": "the {n} {n|observation|observations} of {name} have no place, or one that is hidden.",
  "said.map.folder": "that needs an index folder, and this index is in a store.",
  "said.taxon": "No observation is of {name}.",
  "said.taxon.near": "No observation is of {name}; nearest: {near}.",
  "said.upload.gone": "The file is not here any more: what is sent is kept for an hour after its last use. Send it again.",
  "said.search.gone": "The search is no longer kept: searches stay a quarter of an hour. Ask again.",
  "said.search.none": "There is no such search. Ask again.",
  "said.row.none": "The index has no observation in row {row}.",
  "said.row.outside": "There is no row {row}: the rows of {name} are numbered from 0 to {last}.",
  "said.row.removed": "Row {row} was removed from the index.",
  "said.row.lacks": "Row {row} cannot be asked with by {by}: it has {modalities}.",
  "said.generation": "Generation {asked} of the index is not open. Ask again.",
  "said.generation.gone": "What was found is no longer there. Ask again.",
  "said.climate": "The link has another number of climate values than the {n} of the model.",
  "said.date": "{date} is no date: year, month or day, as 2024, 2024-05 or 2024-05-01.",
  "said.dates.order": "{since} lies after {until}; no day is both.",
  "said.latitude.turned": "The latitude {value} lies outside of ±90 degrees; latitude and longitude look swapped.",
  "said.latitude": "The latitude {value} lies outside of ±90 degrees.",
  "said.longitude": "The longitude {value} lies outside of ±180 degrees.",
  "said.box": "The box {box} is none: west, south, east, north are needed, with south below north.",
  "said.waiting": "{n} {n|search waits|searches wait} already. Try again in {wait} s.",
  "said.moment": "Try again in a moment.",
  "said.rate": "Too many requests. Try again in {wait} s.",
  "said.deadline": "The search took longer than {seconds} s and was stopped. A narrower filter helps.",
  "said.ending": "The server is ending. Try again in a while.",
  "said.store": "The store that the index is in does not answer as it should. Try again in a moment; whoever runs the server finds more in its log.",
  "said.disk": "The server's disk is full. Whoever runs it can free some room.",
  "said.uploads.full": "There is no room for files just now. Try again in a minute.",
  "said.marks.full": "The file of marks, {file}, has {size} MB; {most} MB are the most.",
  "said.marks.none": "None of the {n} {n|hit|hits} is marked as right.",
  "said.upload.large": "The file has {size} MB or more; {most} MB are taken. Send a smaller photo, or the part of the recording that matters.",
  "said.upload.body": "At most {most} MB are taken here.",
  "said.slow": "The file did not come within {seconds} s. Send it again, or a smaller one.",
  "said.span": "The span goes from {begin} s to {end} s.",
  "said.media.neither": "The file is neither a photo nor a recording: {why}.",
  "said.media.empty": "The file is empty.",
  "said.media.image": "The file is damaged, or a photo of a kind that is not read. Copy it again, or save it anew.",
  "said.media.format": "The file is no image of a known format ({formats}), or damaged. Save it as JPEG or PNG.",
  "said.media.undecoded": "The file cannot be decoded: {why}",
  "said.media.sound": "The file is no recording that can be decoded: {why}",
  "said.media.length": "The file holds no sound: its length is 0 s.",
  "said.media.samples": "The file holds no sound.",
  "said.media.silent": "The recording is silent from end to end.",
  "said.media.colour": "The picture has one colour throughout: there is nothing to see.",
  "said.media.pixels": "The picture has {wide} × {tall} pixels, more than {most}. Shrink it first.",
  "said.media.slow": "To decode the file took longer than {seconds} s.",
  "said.media.crashed": "The file made the decoder crash.",
  "things.photos": "photos",
  "things.tiles": "tiles",
  "things.recordings": "recordings",
  "things.names": "names",
  "part.near": "circle",
  "part.bbox": "box",
  "part.taxon": "taxon",
  "part.from": "since",
  "part.to": "until",
  "part.licence-allow": "licence",
  "part.having": "observed",
  problem: "The server says:",
  "problem.media": "A file cannot be read.",
  "problem.input": "Something that was asked for cannot be.",
  "problem.shape": "Something has another number of values than the model takes.",
  "problem.request": "Part of the question is not as it must be.",
  "problem.mismatch": "Question and index were made by different models.",
  "problem.index": "The index cannot be read.",
  "problem.model": "The model cannot be read.",
  "problem.error": "Something unforeseen went wrong.",
  "problem.no-media": "The file is neither a photo nor a recording.",
  "path.approximate": "approximate",
  "field.id": "id",
  "field.latitude": "latitude, °",
  "field.longitude": "longitude, °",
  "field.coordinate_uncertainty_m": "uncertainty of the place, m",
  "field.obscured": "place obscured",
  "field.place_level": "place coarsened to",
  "field.event_date": "date",
  "field.scientific_name": "scientific name",
  "field.common_name": "common name",
  "field.text": "name as the model reads it",
  "field.license": "licence",
  "field.rights_holder": "rights holder",
  "field.source": "source",
  "field.observation": "observation",
  "field.sigma_l1": "uncertainty of the model, ‖σ‖₁",
  "kbd.enter": "Enter",
  "kbd.space": "Space",
  "card.withheld": "place withheld",
  "field.data_generalizations": "what was coarsened",
  "field.information_withheld": "what was withheld",
  "level.withhold": "withheld",
  "said.map.fine": "the finest cells that the policy of the index allows are {finest} wide ({why}). Ask for a larger part of the map."
};

// strings/es.json
var es_default = {
  skip: "Ir a la respuesta",
  opening: "Abriendo el índice …",
  close: "Cerrar",
  yes: "sí",
  no: "no",
  count: "{n}",
  language: "Idioma",
  "palette.auto": "Colores: los del sistema",
  "palette.dark": "Colores: oscuros",
  "palette.light": "Colores: claros",
  "index.rows": "{n} {n|observación|observaciones}",
  "index.generation": "generación {n}",
  "index.model": "modelo {name}",
  "index.invented": "un planeta inventado",
  "index.newer": "El índice ha cambiado desde esta respuesta. La respuesta sigue como estaba; lo nuevo se encuentra al preguntar de nuevo.",
  "ask.title": "Preguntar",
  "drop.title": "Suelte, pegue o elija una foto, un sonido o una tesela",
  "drop.kinds": "JPEG, PNG, HEIC · WAV, MP3, M4A, FLAC · GeoTIFF",
  "drop.most": "hasta {mb} MB",
  "upload.going": "Enviando {name}",
  "upload.large": "{name} tiene {size} MB; este servidor acepta {most} MB como máximo.",
  "upload.empty": "{name} está vacío.",
  "record.start": "Grabar",
  "record.stop": "Parar",
  "record.hint": "Graba hasta diez segundos",
  "record.denied": "El navegador no ha dado acceso al micrófono.",
  "record.insecure": "Los navegadores solo graban en localhost o por https.",
  "record.name": "grabación",
  "name.label": "Nombre",
  "name.placeholder": "Nombre científico o común",
  "place.label": "Lugar",
  "place.pick": "Elegir en el mapa",
  "place.wrong": "Escriba un lugar como latitud, longitud en grados: 46.80, 7.15.",
  chips: "Lo que se pregunta",
  "chip.remove": "Quitar {name}",
  "chip.env": "valores de clima",
  "chip.row": "observación {row}",
  "chip.like": "más como esta",
  "chip.like.by": "más como esta, por {by}",
  "chip.marks": "sus marcas: {more} acertadas, {less} erróneas",
  "found.place": "preguntar también por {place}, donde se hizo {name}",
  "span.open": "elegir segundos",
  "span.title": "Por qué segundos se pregunta",
  "span.from": "desde, s",
  "span.to": "hasta, s",
  "span.use": "Preguntar por estos segundos",
  find: "Buscar",
  "target.image": "Foto",
  "target.audio": "Sonido",
  "target.sat": "Tesela",
  "target.loc": "Lugar",
  "target.env": "Clima",
  "target.text": "Nombre",
  "modality.image": "foto",
  "modality.audio": "sonido",
  "modality.sat": "tesela de satélite",
  "modality.loc": "lugar",
  "modality.env": "clima",
  "modality.text": "nombre",
  "contents.image": "{n|foto|fotos}",
  "contents.audio": "{n|sonido|sonidos}",
  "contents.sat": "{n|tesela|teselas} de satélite",
  "contents.loc": "{n|lugar|lugares}",
  "contents.env": "{n|dato climático|datos climáticos}",
  "contents.text": "{n|nombre|nombres}",
  "its.image": "su foto",
  "its.audio": "su sonido",
  "its.sat": "su tesela de satélite",
  "its.loc": "su lugar",
  "its.env": "su clima",
  "its.text": "su nombre",
  "a.image": "una foto",
  "a.audio": "un sonido",
  "a.sat": "una tesela de satélite",
  "a.loc": "un lugar",
  "a.env": "valores de clima",
  "a.text": "un nombre",
  "rank.kingdom": "reino",
  "rank.phylum": "filo",
  "rank.class": "clase",
  "rank.order": "orden",
  "rank.family": "familia",
  "rank.genus": "género",
  "rank.species": "especie",
  "sure.known": "{hit} es {what} con {p} ({low}–{high}): {right} de {rows} respuestas parecidas acertaron {where}.",
  "sure.hit": "El resultado {n}",
  "sure.species": "la especie correcta",
  "sure.row": "esa misma observación",
  "sure.here": "en este índice",
  "sure.elsewhere": "donde se validó el modelo, no aquí",
  "sure.unknown": "No se sabe con qué probabilidad acierta el primer resultado: {reason}",
  "sure.set": "Con {level} una de:",
  "sure.more": "y {n} más",
  "sigma.percentile": "El modelo está menos seguro que con el {percent} de las observaciones (‖σ‖₁ {s})",
  "sigma.alone": "Incertidumbre propia del modelo: ‖σ‖₁ {s}",
  "sigma.unmeasured": "En este modelo no se ha medido si esta incertidumbre sigue al error.",
  "sigma.weak": "En este modelo apenas sigue al error (Spearman {r}).",
  "sigma.follows": "En este modelo sigue al error (Spearman {r}).",
  "add.next": "Añadir {what}: acertarían {n} respuestas más de cada 100",
  "only.title": "Solo",
  "only.clear": "Quitar filtros",
  "only.taxon": "Taxón",
  "only.taxon.placeholder": "cualquier rango",
  "only.observed": "solo lo observado, nada completado",
  "only.species": "un resultado por especie",
  "only.date": "Fecha",
  "only.since": "desde",
  "only.until": "hasta",
  "only.date.hint": "Un año, un mes o un día: 2024, 2024-06 o 2024-06-25",
  "only.where": "Dónde",
  "only.view": "Lo que muestra el mapa",
  "only.bbox": "{w} a {e} este, {s} a {n} norte",
  "only.license": "Licencia",
  "near.latitude": "latitud",
  "near.longitude": "longitud",
  "near.km": "km alrededor",
  "near.set": "Limitar",
  "near.clear": "Quitar",
  "among.title": "Entre {n|este|estos} {n} {n|resultado|resultados}",
  "among.genus": "Género",
  "among.family": "Familia",
  "among.species": "Especie",
  "among.month": "Mes",
  "among.more": "y {n} más",
  "results.eligible": "{n} posibles",
  "results.eligible.of": "{n} posibles de {all}",
  "results.ranked": "{n} ordenados",
  "results.busy": "Buscando …",
  "results.none": "No hay nada posible.",
  "results.more": "Mostrar más",
  "results.shown": "{n} de {all} mostrados",
  sort: "Ordenar por",
  "sort.score": "parecido",
  "sort.date": "fecha",
  "sort.name": "nombre",
  link: "Enlace",
  "link.copied": "El enlace a esta respuesta está en el portapapeles.",
  "link.bar": "La barra de direcciones tiene el enlace a esta respuesta.",
  "card.open": "Resultado {rank}, {name}: abrir",
  "card.observed": "observado",
  "card.completed": "completado",
  "card.completed.why": "Nadie lo observó: el modelo lo completa con lo que la observación tiene.",
  "card.has": "observado: {what}",
  "card.nofile": "sin archivo",
  "card.nofile.completed": "completado por el modelo, sin archivo",
  "card.unshown": "no se muestra",
  "card.unshown.outside": "el archivo está fuera de las carpetas de medios del índice; serve --media CARPETA indica una",
  "card.unshown.moved": "el archivo ya no está donde estaba; serve --media CARPETA dice dónde está ahora",
  "card.unshown.remote": "el índice solo conoce una dirección en la red",
  "card.unshown.unreadable": "el archivo no se pudo leer al construir el índice",
  "card.unshown.unnamed": "observado, pero el índice no nombra ningún archivo",
  "card.unshown.obscured": "su tesela revelaría el lugar ocultado",
  "card.missing": "el archivo no está",
  "card.unnamed": "sin identificar",
  "card.undated": "sin fecha",
  "card.placeless": "sin lugar",
  "card.obscured": "lugar oculto",
  "card.unlicensed": "sin licencia indicada",
  "card.nc": "no comercial",
  "card.nc.why": "Esta licencia no permite el uso comercial",
  "card.score": "valor: similitud del coseno con los pesos del modelo",
  "card.right": "{p} acierto",
  "card.right.why": "Probabilidad de que acierte, según la calibración del índice o del modelo",
  "similar.title": "Más como esta",
  "similar.of": "{name}",
  "similar.by": "por {what}",
  "similar.all": "por todo lo que tiene",
  marks: "Marcas",
  "marks.count": "{yes} acertadas, {no} erróneas",
  "marks.again": "Preguntar de nuevo con las marcas",
  "mark.yes.do": "Marcar como acertada",
  "mark.no.do": "Marcar como errónea",
  "mark.yes": "Marcada como acertada.",
  "mark.no": "Marcada como errónea.",
  "mark.away": "La marca se ha quitado.",
  "mark.fails": "No se pudo guardar la marca:",
  export: "Exportar",
  "export.marked": "Exportar marcadas",
  "export.csv": "CSV",
  "export.csv.what": "tabla para R, pandas, hojas de cálculo",
  "export.geojson": "GeoJSON",
  "export.geojson.what": "puntos para mapas",
  "export.gpkg": "GeoPackage",
  "export.gpkg.what": "capa para QGIS y ArcGIS",
  "export.geoparquet": "GeoParquet",
  "export.geoparquet.what": "puntos para DuckDB, GeoPandas",
  "export.parquet": "Parquet",
  "export.parquet.what": "tabla con tipos",
  "export.dwca": "Archivo Darwin Core",
  "export.dwca.what": "para GBIF y OBIS",
  "export.species": "Lista de especies",
  "export.species.what": "las especies de la respuesta, contadas",
  "export.rights": "Cada fila lleva su licencia y su titular.",
  "start.title": "¿Qué quiere encontrar?",
  "start.how": "Suelte una foto o una grabación, escriba un nombre o elija un lugar. Dé varios para preguntar por todos a la vez.",
  "start.some": "O empiece con una de estas",
  "refused.title": "No hay respuesta",
  "refused.unreachable": "El servidor no responde. ¿Sigue en marcha prom3e-index serve?",
  "refused.token": "Este navegador no tiene el token. Abra la dirección que imprimió prom3e-index serve.",
  "refused.busy": "El servidor está ocupado. Inténtelo dentro de un momento.",
  "refused.gone": "Algo que este enlace nombra ya no está; los archivos enviados se guardan una hora.",
  "refused.near": "¿Quiso decir",
  "refused.again": "Reintentar",
  "refused.without": "Preguntar sin estos archivos",
  "sound.play": "Reproducir",
  "sound.play.of": "Reproducir {name}",
  "sound.pause": "Pausa",
  "sound.speed": "Velocidad",
  "sound.expanded": "1/10, para murciélagos",
  "sound.position": "Posición en la grabación de {name}",
  "sound.at": "{at} de {of}",
  "sound.range": "de {low} a {high} dB",
  "sound.before": "el minuto anterior",
  "sound.after": "el minuto siguiente",
  "sound.fails": "Este sonido no se puede reproducir.",
  "map.title": "Mapa",
  "map.region": "Mapa de los resultados; la lista contiene lo mismo",
  "map.tools": "Herramientas del mapa",
  "map.in": "Acercar",
  "map.out": "Alejar",
  "map.fit": "Ver todo",
  "map.west": "Oeste",
  "map.east": "Este",
  "map.north": "Norte",
  "map.south": "Sur",
  "map.density": "Observaciones:",
  "map.placeless": "{n} sin lugar",
  "map.planet": "El planeta inventado de la demo",
  "map.picture": "Mapa de {n} resultados; la lista contiene lo mismo",
  "map.flat": "Dibujado por el servidor: este navegador no tiene WebGL 2.",
  "tool.move": "Mover",
  "tool.move.why": "Mover el mapa",
  "tool.pick": "Preguntar aquí",
  "tool.pick.why": "Preguntar por un lugar del mapa",
  "tool.box": "Rectángulo",
  "tool.box.why": "Solo resultados en un rectángulo",
  "tool.circle": "Círculo",
  "tool.circle.why": "Solo resultados en un círculo",
  "tool.pick.how": "Haga clic en el lugar. Escape termina.",
  "tool.box.how": "Dibuje un rectángulo donde deban estar los resultados. Escape termina.",
  "tool.circle.how": "Dibuje un círculo desde el centro. Escape termina.",
  range: "Área",
  "range.why": "Dónde espera el modelo lo que se pregunta",
  "range.busy": "Dibujando …",
  "range.refused": "No hay mapa de esto:",
  "range.legend": "similitud de {n} celdas",
  "range.outside": "{n} más pálidas: más lejos de las observaciones de lo que estas pueden probar",
  panes: "Partes de la página",
  "pane.list": "Lista",
  "pane.map": "Mapa",
  "pane.filters": "Filtros",
  "box.at": "{n} de {all}",
  "box.before": "Resultado anterior",
  "box.after": "Resultado siguiente",
  "box.photo": "Foto de {name}",
  "box.tile": "Tesela de satélite",
  "box.only": "Solo {name}",
  "box.fields": "Todo lo que se sabe de esta observación",
  "help.open": "Teclas y ayuda",
  "help.title": "Teclas",
  "help.how": "Todo funciona con el teclado; Tab recorre la página.",
  "help.single": "Las letras solas son atajos",
  "help.api": "Para programas y QGIS:",
  "help.notices": "obras de otros en esta página",
  "key.search": "al campo del nombre",
  "key.arrows": "de un resultado a otro",
  "key.enter": "abrir el resultado",
  "key.space": "reproducir o pausar",
  "key.mark": "marcar como acertada",
  "key.reject": "marcar como errónea",
  "key.similar": "más como esta",
  "key.more": "más resultados; el siguiente en la vista grande",
  "key.back": "una página atrás; el anterior en la vista grande",
  "key.filter": "a los filtros",
  "key.map": "al mapa",
  "key.help": "esta página",
  "key.escape": "cerrar; dejar la herramienta",
  "heard.answer": "{n} resultados mostrados, {eligible} posibles.",
  "heard.removed": "{name} quitado.",
  "heard.uploaded": "{name} enviado.",
  "sure.first": "El primer resultado",
  "sure.outside": "El más cercano con especie",
  "shown.instead": "se muestra: {what}",
  "chance.over": "más de {p}",
  "chance.under": "menos de {p}",
  "map.basemap.fails": "No se puede leer el mapa de fondo:",
  "map.few": "pocas",
  "map.many": "muchas",
  "box.original.image": "Foto original",
  "box.original.audio": "Sonido original",
  "index.again": "Preguntar de nuevo",
  "link.unread": "De este enlace la página no entiende, y deja fuera:",
  "among.hour": "Hora del día, según consta",
  "among.timeless": "{n} sin hora",
  "among.monthless": "{n} sin mes",
  "path.exact": "exacta",
  "note.generation": "El enlace es de la generación {asked} del índice; ha respondido la generación {n}.",
  "climate.title": "Clima",
  "climate.variable": "Variable",
  "climate.of.hit": "resultado",
  "climate.of.query": "consulta",
  "climate.farthest": "Más alejados en: {name}, por {n}.",
  "climate.unit": "En desviaciones típicas respecto a la media del ráster climático del modelo, que es 0.",
  "climate.hit.obscured": "No se muestra: el clima revelaría el lugar, que está oculto.",
  "climate.hit.none": "Aquí no se observó clima; donde el modelo lo completó, es un vector y no valores.",
  "climate.hit.gone": "El índice no guarda valores climáticos, y el ráster con el que se construyó no está.",
  "climate.hit.outside": "El ráster climático no sabe nada de este lugar.",
  "climate.query.obscured": "Sin comparación: el lugar de la observación consultada está oculto.",
  "climate.query.none": "Sin comparación: la observación consultada no tiene clima.",
  "climate.query.gone": "Sin comparación: el índice no conoce el clima de un lugar; se construyó sin ráster, o el ráster no está.",
  "climate.query.outside": "Sin comparación: el ráster climático no sabe nada del lugar consultado.",
  "climate.query.several": "Sin comparación: se pregunta con varias observaciones.",
  "climate.query.unasked": "Sin comparación: nada de lo consultado tiene clima. Un lugar, valores climáticos o una observación lo tendrían.",
  "climate.elevation": "Altitud",
  "climate.bio_1": "Temperatura media, año",
  "climate.bio_2": "Oscilación diaria de temperatura",
  "climate.bio_3": "Isotermalidad",
  "climate.bio_4": "Estacionalidad de la temperatura",
  "climate.bio_5": "Temperatura máxima, mes más cálido",
  "climate.bio_6": "Temperatura mínima, mes más frío",
  "climate.bio_7": "Oscilación anual de temperatura",
  "climate.bio_8": "Temperatura, trimestre más húmedo",
  "climate.bio_9": "Temperatura, trimestre más seco",
  "climate.bio_10": "Temperatura, trimestre más cálido",
  "climate.bio_11": "Temperatura, trimestre más frío",
  "climate.bio_12": "Precipitación, año",
  "climate.bio_13": "Precipitación, mes más húmedo",
  "climate.bio_14": "Precipitación, mes más seco",
  "climate.bio_15": "Estacionalidad de la precipitación",
  "climate.bio_16": "Precipitación, trimestre más húmedo",
  "climate.bio_17": "Precipitación, trimestre más seco",
  "climate.bio_18": "Precipitación, trimestre más cálido",
  "climate.bio_19": "Precipitación, trimestre más frío",
  "said.meaningless": "Las respuestas no significan nada: el modelo {model} solo conoce el planeta inventado de la demo, y estas observaciones no son de allí.",
  "said.unmeasured": "Aquí no se ha medido qué parte de la respuesta exacta encuentra una búsqueda.",
  "said.averaged": "{n} {things}, promediados en uno.",
  "said.like.more": "Preguntado con {modalities} de {ids} y {n} más, tal como los guarda el índice; no figuran entre los resultados.",
  "said.like": "Preguntado con {modalities} de {ids}, tal como los guarda el índice; aquello con lo que se pregunta no figura entre los resultados.",
  "said.moved": "Desplazado por sus marcas: hacia {more} {more|acertada|acertadas}, lejos de {less} {less|errónea|erróneas}.",
  "said.moved.more": "Desplazado por sus marcas: hacia {n} {n|acertada|acertadas}.",
  "said.moved.less": "Desplazado por sus marcas: lejos de {n} {n|errónea|erróneas}.",
  "said.name.here": "{typed} está en este índice ({n} {n|observación|observaciones}); preguntado como «{asked}».",
  "said.name.several": "{typed} designa en este índice a {name} ({n} {n|observación|observaciones}) y a {others}, por los que se pregunta con su nombre científico; preguntado como «{asked}».",
  "said.name.common": "{typed} es el nombre común de {name} en este índice ({n} {n|observación|observaciones}); preguntado como «{asked}».",
  "said.name.rank": "{typed} está en este índice como {rank}: {name} ({n} {n|observación|observaciones}); preguntado como «{asked}».",
  "said.name.other": "{typed} es un nombre de {name} en este índice ({n} {n|observación|observaciones}); preguntado como «{asked}».",
  "said.name.species": "{typed} no está en este índice, pero sí su especie; preguntado como «{asked}».",
  "said.name.genus.near": "{typed} no está en este índice, pero sí su género. Lo más parecido: {near}. Preguntado como «{asked}».",
  "said.name.genus": "{typed} no está en este índice, pero sí su género; preguntado como «{asked}».",
  "said.name.none.near": "Este índice no tiene el taxón {typed}; lo más parecido: {near}. Preguntado tal como se escribió.",
  "said.name.none": "Este índice no tiene el taxón {typed}; preguntado tal como se escribió.",
  "said.fewer": "{n} de {k} resultados: no hay más que cumplan las condiciones.",
  "said.changed": "El índice ha cambiado desde entonces: ahora está en la generación {n}. Pregunte de nuevo.",
  "said.out.date": "{n} de {all} observaciones no {n|tiene|tienen} fecha y {n|queda|quedan} fuera.",
  "said.out.place": "{n} de {all} observaciones no {n|tiene|tienen} lugar y {n|queda|quedan} fuera.",
  "said.out.name": "{n} de {all} observaciones no {n|tiene|tienen} nombre y {n|queda|quedan} fuera.",
  "said.turned": "El lugar {place} queda fuera de todas las observaciones, y {other} entre ellas: la latitud va primero.",
  "said.unobserved": "Ninguna observación tiene aquí {modality}: cada resultado es lo que el modelo deduce. Hay {modalities}.",
  "said.none.like": "Solo cumplen los filtros las observaciones con las que se pregunta.",
  "said.none": "Ninguna observación cumple los filtros.",
  "said.none.each": "Lo que deja cada filtro por sí solo: {parts}.",
  "said.none.where": "Las observaciones están entre las latitudes {south} y {north} y las longitudes {west} y {east}.",
  "said.none.placeless": "Ninguna observación tiene lugar.",
  "said.none.turned": "Con latitud y longitud intercambiadas {n|queda|quedan} {n}.",
  "said.none.dates": "Las fechas de las observaciones van de {first} a {last}.",
  "said.none.licences": "Licencias de las observaciones: {licences}.",
  "said.none.unlicensed": "El índice no conoce licencias: todos los derechos están reservados.",
  "said.files.none": "Ninguno de los {all} archivos de estos resultados está donde estaba, como {file}. Quien lleva el servidor puede decir dónde están.",
  "said.files.some": "{n} de los {all} archivos de estos resultados {n|está|están} en su sitio; no, por ejemplo, {file}. Quien lleva el servidor puede decir dónde están.",
  "said.hubs.segments": "Una versión anterior corrigió los «hubs» segmento a segmento: los valores de dos segmentos no son comparables. `prom3e-index rebuild` lo arregla.",
  "said.beside.model": "Se usa el modelo que está junto al índice, {file}: {known} no está.",
  "said.beside.hub": "Se usa la copia del hub que está junto al índice, {file}: {known} no está.",
  "said.longer": "{file} dura más de {seconds} s: solo se leen esos primeros.",
  "said.video": "{file} es un vídeo de {seconds} s: de sus imágenes se ve la de {at} s.",
  "said.unsure.moved": "eso está calibrado para consultas que no han sido desplazadas por marcas.",
  "said.unsure.model": "está calibrado con el modelo {model}, no con {other}.",
  "said.unsure.eligible": "{n|cumple|cumplen} las condiciones {n} {n|fila|filas}; hacen falta {least}.",
  "said.unsure.first": "ninguna de las primeras {n} filas tiene especie.",
  "said.unsure.one": "todo lo que cumple las condiciones es de una sola especie.",
  "said.unsure.other": "sin nombres de especies nada dice qué otra es la acertada ({modality}).",
  "said.unsure.way.one": "no se han evaluado respuestas que busquen {modality} a partir de un dato.",
  "said.unsure.way.several": "no se han evaluado respuestas que busquen {modality} a partir de varios datos.",
  "said.unsure.way.shown": "no se han evaluado respuestas que busquen {modality} a partir de lo mismo.",
  "said.unsure.few": "se pudo preguntar con {n} {n|observación|observaciones}; hacen falta {least}.",
  "said.unsure.sides": "{right} respuestas eran acertadas y {wrong} erróneas; hacen falta {least} de cada.",
  "said.unsure.asked": "todo aquello con lo que se preguntó es de una sola especie.",
  "said.unsure.all": "todas las observaciones son de una sola especie.",
  "said.unsure.rows": "el índice tiene {n} {n|fila|filas}; hacen falta {least}.",
  "said.unsure.kin": "{n} de las {all} filas podían preguntar; hacen falta {least}, cada una con dos modalidades y otra observación de su especie.",
  "said.unsure.two": "{n} de las {all} filas podían preguntar; hacen falta {least}, cada una con dos modalidades.",
  "said.unsure.earlier": "el índice lo construyó una versión anterior; `prom3e-index rebuild` lo calibra.",
  "said.unsure.changed": "las filas del índice han cambiado y no se pudo volver a calibrar: {why}",
  "said.similarity": "La similitud no es una probabilidad: dice dónde el modelo encuentra lugares parecidos a lo preguntado.",
  "said.map.withheld": "sus lugares los retiene la política del índice ({why}). Puede haber un mapa de otros taxones.",
  "said.map.placeless": "las {n} {n|observación|observaciones} de {name} no tienen lugar, o está oculto.",
  "said.map.folder": "eso requiere una carpeta de índice, y este índice está en un almacén.",
  "said.taxon": "Ninguna observación es de {name}.",
  "said.taxon.near": "Ninguna observación es de {name}; lo más parecido: {near}.",
  "said.upload.gone": "El archivo ya no está: lo enviado se guarda una hora desde su último uso. Envíelo de nuevo.",
  "said.search.gone": "La búsqueda ya no se conserva: las búsquedas duran un cuarto de hora. Pregunte de nuevo.",
  "said.search.none": "No existe esa búsqueda. Pregunte de nuevo.",
  "said.row.none": "El índice no tiene ninguna observación en la fila {row}.",
  "said.row.outside": "No existe la fila {row}: las filas de {name} van de 0 a {last}.",
  "said.row.removed": "La fila {row} se retiró del índice.",
  "said.row.lacks": "No se puede preguntar con la fila {row} según {by}: tiene {modalities}.",
  "said.generation": "La generación {asked} del índice no está abierta. Pregunte de nuevo.",
  "said.generation.gone": "Lo que se encontró ya no está. Pregunte de nuevo.",
  "said.climate": "El enlace tiene otro número de valores climáticos que los {n} del modelo.",
  "said.date": "{date} no es una fecha: año, mes o día, como 2024, 2024-05 o 2024-05-01.",
  "said.dates.order": "{since} es posterior a {until}; ningún día cumple ambas cosas.",
  "said.latitude.turned": "La latitud {value} está fuera de ±90 grados; latitud y longitud parecen intercambiadas.",
  "said.latitude": "La latitud {value} está fuera de ±90 grados.",
  "said.longitude": "La longitud {value} está fuera de ±180 grados.",
  "said.box": "El rectángulo {box} no lo es: hacen falta oeste, sur, este y norte, con el sur por debajo del norte.",
  "said.waiting": "Ya {n|espera|esperan} {n} {n|búsqueda|búsquedas}. Inténtelo de nuevo en {wait} s.",
  "said.moment": "Inténtelo de nuevo en un momento.",
  "said.rate": "Demasiadas peticiones. Inténtelo de nuevo en {wait} s.",
  "said.deadline": "La búsqueda tardó más de {seconds} s y se detuvo. Un filtro más estrecho ayuda.",
  "said.ending": "El servidor se está cerrando. Inténtelo más tarde.",
  "said.store": "El almacén en el que está el índice no responde como debe. Inténtelo de nuevo en un momento; quien lleva el servidor encontrará más en su registro.",
  "said.disk": "El disco del servidor está lleno. Quien lo lleva puede liberar espacio.",
  "said.uploads.full": "Ahora no hay sitio para archivos. Inténtelo de nuevo en un minuto.",
  "said.marks.full": "El archivo de marcas, {file}, tiene {size} MB; el máximo son {most} MB.",
  "said.marks.none": "Ninguno de los {n} resultados está marcado como acertado.",
  "said.upload.large": "El archivo tiene {size} MB o más; se aceptan {most} MB. Envíe una foto más pequeña o la parte de la grabación que importa.",
  "said.upload.body": "Aquí se aceptan {most} MB como máximo.",
  "said.slow": "El archivo no llegó en {seconds} s. Envíelo de nuevo, o uno más pequeño.",
  "said.span": "El tramo va de {begin} s a {end} s.",
  "said.media.neither": "El archivo no es ni una foto ni una grabación: {why}.",
  "said.media.empty": "El archivo está vacío.",
  "said.media.image": "El archivo está dañado, o es una foto de un tipo que no se lee. Cópielo otra vez, o guárdelo de nuevo.",
  "said.media.format": "El archivo no es una imagen de un formato conocido ({formats}), o está dañado. Guárdelo como JPEG o PNG.",
  "said.media.undecoded": "El archivo no se puede decodificar: {why}",
  "said.media.sound": "El archivo no es una grabación que se pueda decodificar: {why}",
  "said.media.length": "El archivo no contiene sonido: dura 0 s.",
  "said.media.samples": "El archivo no contiene sonido.",
  "said.media.silent": "La grabación está en silencio de principio a fin.",
  "said.media.colour": "La imagen es toda de un color: no hay nada que ver.",
  "said.media.pixels": "La imagen tiene {wide} × {tall} píxeles, más de {most}. Redúzcala antes.",
  "said.media.slow": "Decodificar el archivo tardó más de {seconds} s.",
  "said.media.crashed": "El archivo hizo fallar el decodificador.",
  "things.photos": "fotos",
  "things.tiles": "teselas",
  "things.recordings": "grabaciones",
  "things.names": "nombres",
  "part.near": "círculo",
  "part.bbox": "rectángulo",
  "part.taxon": "taxón",
  "part.from": "desde",
  "part.to": "hasta",
  "part.licence-allow": "licencia",
  "part.having": "observado",
  problem: "El servidor dice:",
  "problem.media": "No se puede leer un archivo.",
  "problem.input": "Algo de lo preguntado no puede ser.",
  "problem.shape": "Algo tiene otro número de valores que los que admite el modelo.",
  "problem.request": "Una parte de la pregunta no es como debe.",
  "problem.mismatch": "La pregunta y el índice proceden de modelos distintos.",
  "problem.index": "No se puede leer el índice.",
  "problem.model": "No se puede leer el modelo.",
  "problem.error": "Ha fallado algo imprevisto.",
  "problem.no-media": "El archivo no es ni una foto ni una grabación.",
  "path.approximate": "aproximada",
  "field.id": "identificador",
  "field.latitude": "latitud, °",
  "field.longitude": "longitud, °",
  "field.coordinate_uncertainty_m": "incertidumbre del lugar, m",
  "field.obscured": "lugar ocultado",
  "field.place_level": "lugar generalizado a",
  "field.event_date": "fecha",
  "field.scientific_name": "nombre científico",
  "field.common_name": "nombre común",
  "field.text": "nombre tal como lo lee el modelo",
  "field.license": "licencia",
  "field.rights_holder": "titular de los derechos",
  "field.source": "fuente",
  "field.observation": "observación",
  "field.sigma_l1": "incertidumbre del modelo, ‖σ‖₁",
  "kbd.enter": "Intro",
  "kbd.space": "Espacio",
  "card.withheld": "lugar retenido",
  "field.data_generalizations": "qué se generalizó",
  "field.information_withheld": "qué se retuvo",
  "level.withhold": "retenido",
  "said.map.fine": "las celdas más finas que permite la política del índice miden {finest} ({why}). Pida una parte mayor del mapa."
};

// src/kept.ts
function kept(name) {
  try {
    return localStorage.getItem(`p3i-${name}`);
  } catch {
    return null;
  }
}
function keep(name, value2) {
  try {
    if (value2 === null) localStorage.removeItem(`p3i-${name}`);
    else localStorage.setItem(`p3i-${name}`, value2);
  } catch {
  }
}

// src/words.ts
var ALL = { en: en_default, de: de_default, es: es_default };
var LANGUAGES = [["en", "English"], ["de", "Deutsch"], ["es", "Español"]];
function first() {
  const asked2 = [kept("language"), ...navigator.languages ?? []];
  return asked2.map((l4) => (l4 ?? "").slice(0, 2)).find((l4) => l4 in ALL) ?? "en";
}
var language = y3(first());
var plural = O2(() => new Intl.PluralRules(language.value));
var numbers = O2(() => new Intl.NumberFormat(language.value));
function speak(code) {
  if (!(code in ALL)) return;
  language.value = code;
  keep("language", code);
}
function t4(key, values = {}) {
  const text = ALL[language.value]?.[key] ?? en_default[key];
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_5, name, one, other) => {
    const value2 = values[name];
    if (one !== void 0) return plural.value.select(Number(value2)) === "one" ? one : other ?? "";
    return typeof value2 === "number" ? numbers.value.format(value2) : String(value2 ?? "");
  });
}
var ENGLISH = /\uE000([^\uE000\uE001]*)\uE001/;
var english = (text) => `${text}`;
var parted = (text) => text.split(ENGLISH);
var known = (key) => Object.hasOwn(en_default, key);
var listed = (some) => new Intl.ListFormat(language.value, { type: "conjunction" }).format(some);
function word(prefix, name, values = {}) {
  const key = `${prefix}.${name}`;
  return known(key) ? t4(key, values) : name;
}
function number(value2, digits = 0) {
  return value2.toLocaleString(language.value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
function percent(share2) {
  return share2.toLocaleString(language.value, { style: "percent", maximumFractionDigits: 0 });
}
function chance(p5) {
  if (p5 >= 0.995) return t4("chance.over", { p: percent(0.99) });
  return p5 <= 5e-3 ? t4("chance.under", { p: percent(0.01) }) : percent(p5);
}
function place(latitude, longitude, digits = 4) {
  return `${latitude.toFixed(digits)}, ${longitude.toFixed(digits)}`;
}
function clock(seconds) {
  const whole = Math.floor(seconds);
  const tenth = Math.round((seconds - whole) * 10) % 10;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}${tenth ? `.${tenth}` : ""}`;
}
function distance(metres) {
  const unit = metres < 1e3 ? "meter" : "kilometer";
  const value2 = metres < 1e3 ? Math.round(metres) : metres / 1e3;
  return value2.toLocaleString(language.value, { style: "unit", unit, maximumFractionDigits: value2 < 10 && unit === "kilometer" ? 1 : 0 });
}
function country(id, english2) {
  if (language.value === "en" || !id) return english2;
  try {
    const region = new Intl.Locale(`und-${id}`).maximize().region ?? id;
    const name = new Intl.DisplayNames([language.value], { type: "region", fallback: "none" }).of(region);
    return name && !/^\d+$/.test(name) ? name : english2;
  } catch {
    return english2;
  }
}

// src/searching.ts
var PAGE = 24;
var MOST = 100;
var FACETS = ["species", "genus", "family", "month", "hour", "license"];
var running = null;
var remembered = /* @__PURE__ */ new Map();
async function openIndex() {
  try {
    const found = await get("index");
    if (JSON.stringify(found) !== JSON.stringify(index.peek())) index.value = found;
    indexRefusal.value = null;
  } catch (error) {
    if (error instanceof Refusal) indexRefusal.value = error;
    else throw error;
  }
}
function ask(change2, options = {}) {
  asked.value = { ...asked.value, generation: null, ...change2 };
  unread.value = [];
  write(options.replace ?? false);
  void search();
}
function addPart(part2) {
  const once = part2.kind === "place" || part2.kind === "env" || part2.kind === "text";
  const rest = once ? asked.value.parts.filter((p5) => p5.kind !== part2.kind) : asked.value.parts;
  ask({ parts: [...rest, part2] });
}
function removePart(at) {
  const parts = asked.value.parts.filter((_5, i5) => i5 !== at);
  ask(parts.length ? { parts } : { parts, more: [], less: [] });
}
function filterBy(change2) {
  ask({ filter: { ...asked.value.filter, ...change2 } });
}
function clearFilter() {
  ask({ filter: NO_FILTER });
}
function like(row, by, title2) {
  opened.value = null;
  ask({ parts: [{ kind: "like", row, by, title: title2 }], target: null, more: [], less: [] });
  scrollTo(0);
}
var camera = null;
var readCamera = () => camera;
function keepCamera(next) {
  camera = next;
  write(true);
}
function write(replace) {
  const query = toSearch(asked.value);
  if (sort.value !== "score") query.set("sort", sort.value);
  if (opened.value !== null) query.set("open", String(opened.value));
  if (camera) query.set("view", camera);
  if (answer.value && isAsked()) query.set("generation", String(answer.value.generation));
  const text = query.toString();
  const to = text ? `?${text}` : location.pathname;
  if (to === (location.search || location.pathname)) return;
  if (replace) history.replaceState({ ...history.state }, "", to);
  else {
    history.replaceState({ ...history.state, scroll: scrolled() }, "");
    history.pushState({}, "", to);
  }
}
function read() {
  const query = new URLSearchParams(location.search);
  const before = asked.value;
  const known2 = (p5) => {
    if (p5.kind === "upload") return before.parts.find((q4) => q4.kind === "upload" && q4.file.upload === p5.file.upload);
    return p5.kind === "like" ? before.parts.find((q4) => q4.kind === "like" && q4.row === p5.row) : void 0;
  };
  const next = fromSearch(query);
  const parts = next.asked.parts.map((p5) => {
    const old = known2(p5);
    if (p5.kind === "upload" && old?.kind === "upload") return { ...p5, file: old.file };
    return p5.kind === "like" && old?.kind === "like" ? { ...p5, title: old.title } : p5;
  });
  camera = next.view;
  r3(() => {
    asked.value = { ...next.asked, parts };
    sort.value = next.sort;
    opened.value = next.open;
    unread.value = next.unread;
  });
}
async function restoreUploads() {
  const parts = await Promise.all(
    asked.value.parts.map(async (part2) => {
      if (part2.kind !== "upload" || part2.file.links) return part2;
      try {
        return { ...part2, file: await get(`uploads/${part2.file.upload}`) };
      } catch (error) {
        if (error instanceof Refusal) return part2;
        throw error;
      }
    })
  );
  asked.value = { ...asked.value, parts };
}
function isAsked() {
  return asked.value.parts.length > 0;
}
function forget() {
  r3(() => {
    answer.value = null;
    hits.value = [];
    facets.value = null;
    refusal2.value = null;
    busy.value = false;
  });
}
async function search() {
  running?.abort();
  const now = running = new AbortController();
  if (!isAsked()) return forget();
  const key = JSON.stringify(body(asked.value));
  const old = remembered.get(key);
  if (old && old.answer.generation === index.value?.generation) {
    show(old.answer, old.hits, old.facets);
    write(true);
    return;
  }
  r3(() => {
    busy.value = true;
    refusal2.value = null;
  });
  try {
    const found = await askedOfOneThatIsOpen(JSON.parse(key), now.signal);
    const some = found.hits.length ? found : await get(`searches/${found.id}?limit=${PAGE}`, now.signal);
    const page = { ...some, insteadOf: found.insteadOf };
    show(page, page.hits, null);
    write(true);
    say(t4("heard.answer", { n: page.hits.length, eligible: page.numberMatched }));
    if (index.value && page.generation > index.value.generation) void openIndex();
    remembered.set(key, { answer: page, hits: page.hits, facets: null });
    if (remembered.size > 20) remembered.delete(remembered.keys().next().value);
    await Promise.all([fetchAll(key, page, now.signal), fetchFacets(key, page, now.signal)]);
  } catch (error) {
    if (now.signal.aborted) return;
    if (!(error instanceof Refusal)) throw error;
    r3(() => {
      forget();
      refusal2.value = error;
    });
  } finally {
    if (running === now) busy.value = false;
  }
}
async function askedOfOneThatIsOpen({ generation, ...rest }, signal) {
  try {
    return await send("POST", "searches", { ...rest, generation }, signal);
  } catch (error) {
    if (generation === void 0 || !(error instanceof Refusal) || error.problem.type !== "/problems/generation") throw error;
    return { ...await send("POST", "searches", rest, signal), insteadOf: Number(generation) };
  }
}
function show(found, some, counted) {
  r3(() => {
    answer.value = found;
    hits.value = some;
    facets.value = counted;
    refusal2.value = null;
    busy.value = false;
    shown.value = PAGE;
  });
}
async function fetchAll(key, first2, signal) {
  let every = first2.hits;
  fetchingMore.value = true;
  try {
    while (every.length < first2.ranked) {
      const page = await get(`searches/${first2.id}?limit=${MOST}&offset=${every.length}`, signal);
      if (!page.hits.length) break;
      every = [...every, ...page.hits];
      if (answer.value?.id === first2.id) hits.value = every;
      const kept2 = remembered.get(key);
      if (kept2) kept2.hits = every;
    }
  } finally {
    fetchingMore.value = false;
  }
}
async function fetchFacets(key, found, signal) {
  if (!found.ranked) return;
  const counted = await get(address(`${BASE}/searches/${found.id}/facets`, { by: FACETS.join(",") }), signal);
  if (answer.value?.id === found.id) facets.value = counted;
  const kept2 = remembered.get(key);
  if (kept2) kept2.facets = counted;
}

// src/hit.ts
var LETTERS = 100;
function short(text) {
  const letters = [...text];
  return letters.length > LETTERS ? `${letters.slice(0, LETTERS).join("").trimEnd()}…` : text;
}
function nameOf(hit) {
  return short(hit.scientific_name ?? hit.common_name ?? t4("card.unnamed"));
}
function unshownSaid(hit) {
  if (hit.unshown && hit.unshown !== "none") return word("card.unshown", hit.unshown);
  return hit.completed ? t4("card.nofile.completed") : t4("card.nofile");
}
var unshownShort = (hit) => hit.unshown && hit.unshown !== "none" ? t4("card.unshown") : unshownSaid(hit);
var secondName = (hit) => hit.scientific_name && hit.common_name ? short(hit.common_name) : "";
var isLatin = (hit) => isItalic(hit.scientific_name);
var isItalic = (name) => !!name && !/^\S*(?:idae|inae|oidea|aceae|oideae|iformes|ales)$/.test(name);
function dateOf(hit) {
  const text = hit.event_date;
  if (!text) return t4("card.undated");
  const found = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?/.exec(text);
  if (!found) return text;
  const at = new Date(Date.UTC(Number(found[1]), Number(found[2] ?? 1) - 1, Number(found[3] ?? 1)));
  const form = { year: "numeric", timeZone: "UTC" };
  if (found[2]) form.month = "short";
  if (found[3]) form.day = "numeric";
  return new Intl.DateTimeFormat(language.value, form).format(at);
}
function hasPlace(hit) {
  return hit.latitude != null && hit.longitude != null;
}
function placeOfHit(hit) {
  if (!hasPlace(hit)) return hit.generalised === "withhold" ? t4("card.withheld") : t4("card.placeless");
  const hidden = hit.obscured || hit.generalised;
  const text = place(hit.latitude, hit.longitude, hidden ? 1 : 3);
  if (hidden) return `${text} · ${t4("card.obscured")}`;
  return hit.coordinate_uncertainty_m ? `${text} ± ${distance(hit.coordinate_uncertainty_m).replace(" ", " ")}` : text;
}
var isNonCommercial = (hit) => /\bNC\b/.test(hit.license_code ?? "");
var licence = (text, code) => /^https?:/.test(text) && code ? /^BY/.test(code) ? `CC ${code}` : code : short(text);
function rightsOf(hit) {
  const owner = hit.rights_holder ? `© ⁨${short(hit.rights_holder)}⁩` : "";
  return [owner, hit.license ? licence(hit.license, hit.license_code) : t4("card.unlicensed")].filter(Boolean).join(" · ");
}
var smaller = (url) => url.replace(/([?&]size=)\d+/, "$1320");
function pictureOf(hit, target) {
  const links = hit.links ?? {};
  const photo = links.image ? { kind: "photo", shows: "image", url: smaller(links.image) } : null;
  const sound = links.spectrogram ? { kind: "sound", shows: "audio", url: links.spectrogram } : null;
  const tile = links.sat ? { kind: "tile", shows: "sat", url: smaller(links.sat) } : null;
  if (target === "audio") return sound ?? photo ?? tile;
  if (target === "sat") return tile ?? photo ?? sound;
  return photo ?? sound ?? tile;
}
var audioOf = (hit) => hit.links?.audio ?? null;
var observation = (row) => `${BASE}/observations/${row}`;
var soundKey = (row) => `row ${row}`;

// src/player.ts
var playing = y3(null);
var running2 = y3(false);
var position = y3(0);
var SPEEDS = [1, 0.5, 0.25, 0.1];
var EXPANDED = 0.1;
var speed = y3(SPEEDS.includes(Number(kept("speed"))) ? Number(kept("speed")) : 1);
var audio = new Audio();
audio.preload = "none";
var source = "";
var stopAt = null;
var frame = 0;
var expansion = () => speed.value === EXPANDED ? EXPANDED : 1;
function follow() {
  position.value = audio.currentTime * expansion();
  if (stopAt !== null && position.value >= stopAt) {
    audio.pause();
    stopAt = null;
  }
  if (!audio.paused) frame = requestAnimationFrame(follow);
}
audio.addEventListener("play", () => {
  running2.value = true;
  cancelAnimationFrame(frame);
  follow();
});
audio.addEventListener("pause", () => running2.value = false);
audio.addEventListener("ended", () => running2.value = false);
audio.addEventListener("seeked", () => position.value = audio.currentTime * expansion());
audio.addEventListener("error", () => {
  if (!playing.value) return;
  running2.value = false;
  tell(t4("sound.fails"));
});
function load(at) {
  audio.src = expansion() === 1 ? source : address(source, { speed: EXPANDED });
  audio.preservesPitch = true;
  audio.playbackRate = expansion() === 1 ? speed.value : 1;
  audio.defaultPlaybackRate = audio.playbackRate;
  if (at > 0) audio.currentTime = at / expansion();
}
function play(key, url, from = null, to = null) {
  if (playing.value !== key) {
    audio.pause();
    source = url;
    playing.value = key;
    position.value = from ?? 0;
    load(from ?? 0);
  } else if (from !== null) seek(from);
  stopAt = to;
  audio.play().catch((error) => error.name !== "AbortError" && error.name !== "NotSupportedError" && tell(t4("sound.fails")));
}
function toggle(key, url, from = null, to = null) {
  if (playing.value === key && running2.value) audio.pause();
  else if (playing.value === key && (to === null || position.value < to - 0.05)) play(key, url, null, to);
  else play(key, url, from ?? 0, to);
}
function seek(seconds) {
  const at = Math.max(0, seconds);
  audio.currentTime = at / expansion();
  position.value = at;
}
function setSpeed(next) {
  const [at, was] = [position.value, running2.value];
  const before = expansion();
  speed.value = next;
  keep("speed", next === 1 ? null : String(next));
  if (!playing.value) return;
  if (expansion() === before) {
    audio.playbackRate = expansion() === 1 ? next : 1;
    return;
  }
  load(at);
  position.value = at;
  if (was) void audio.play().catch(() => tell(t4("sound.fails")));
}

// src/parts/spectrogram.tsx
var axisOf = (picture) => picture.replace(/\/spectrogram(?=\?|$)/, "/spectrogram.json");
var axes = /* @__PURE__ */ new Map();
function useAxis(picture) {
  const axis = useSignal(axes.get(picture ?? "") ?? null);
  A2(() => {
    if (picture === null) return;
    const asking = new AbortController();
    axis.value = axes.get(picture) ?? null;
    if (!axis.value)
      get(axisOf(picture), asking.signal).then(
        (found) => {
          axes.set(picture, found);
          axis.value = found;
        },
        (error) => {
          if (!(error instanceof Refusal) && !asking.signal.aborted) throw error;
        }
      );
    return () => asking.abort();
  }, [picture]);
  return axis.value;
}
function steps(from, to, most) {
  const width = (to - from) / most;
  const ten = 10 ** Math.floor(Math.log10(width || 1));
  const step2 = [1, 2, 5, 10].map((n3) => n3 * ten).find((n3) => n3 >= width) ?? 1;
  const out = [];
  for (let v5 = Math.ceil(from / step2) * step2; v5 <= to + 1e-9; v5 += step2) out.push(Number(v5.toFixed(6)));
  return out;
}
var LONGEST = 60;
function part(picture, from, to) {
  const [path, query] = picture.split("?");
  const values = new URLSearchParams(query);
  for (const [name, value2] of Object.entries({ from, to, width: 1024, height: 256 })) values.set(name, String(Number(value2.toFixed(3))));
  return `${path}?${values}`;
}
function Spectrogram({ sound, title: title2, picture: small, audio: audio2, span, tall, seconds: told2 = null }) {
  const mine = playing.value === sound;
  const first2 = useAxis(tall && told2 ? null : small);
  const duration = told2 ?? first2?.duration ?? null;
  const begin = useSignal(0);
  const whole = tall && duration !== null;
  const end0 = whole ? Math.min(duration, begin.value + LONGEST) : 0;
  const picture = whole ? part(small, begin.value, end0) : small;
  const axis = useAxis(picture);
  const long = whole && duration > LONGEST;
  A2(() => {
    if (long && mine && (position.value < begin.value || position.value >= begin.value + LONGEST)) begin.value = Math.floor(position.value / LONGEST) * LONGEST;
  }, [long, mine, position.value]);
  const from = axis?.from ?? 0;
  const seconds = axis?.seconds ?? 0;
  const share2 = (s4) => `${Math.min(100, Math.max(0, (s4 - from) / (seconds || 1) * 100))}%`;
  const start2 = span ? span.from : null;
  const end = span?.to ?? null;
  const at = mine ? position.value : start2 ?? from;
  function move2(to) {
    const second = Math.min(from + seconds, Math.max(from, to));
    if (mine) seek(second);
    else if (audio2) play(sound, audio2, second, null);
  }
  function key(e4) {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -5, PageUp: 5 }[e4.key];
    if (by !== void 0) move2(at + by * Math.min(1, seconds / 20));
    else if (e4.key === "Home") move2(from);
    else if (e4.key === "End") move2(from + seconds - 0.1);
    else return;
    e4.preventDefault();
    e4.stopPropagation();
  }
  const plot = /* @__PURE__ */ a3(
    "div",
    {
      class: "plot",
      role: audio2 ? "slider" : void 0,
      tabIndex: audio2 && tall ? 0 : void 0,
      "aria-label": audio2 ? t4("sound.position", { name: title2 }) : void 0,
      "aria-valuemin": audio2 ? from : void 0,
      "aria-valuemax": audio2 ? from + seconds : void 0,
      "aria-valuenow": audio2 ? Number(at.toFixed(2)) : void 0,
      "aria-valuetext": audio2 ? t4("sound.at", { at: clock(at), of: clock(from + seconds) }) : void 0,
      onKeyDown: audio2 && tall ? key : void 0,
      onClick: (e4) => {
        if (!audio2 || !tall) return;
        const box2 = e4.currentTarget.getBoundingClientRect();
        move2(from + (e4.clientX - box2.left) / box2.width * seconds);
      },
      children: [
        /* @__PURE__ */ a3("img", { src: picture, alt: "", loading: "lazy", decoding: "async" }),
        span && tall && seconds > 0 && /* @__PURE__ */ a3("i", { class: "span", style: { left: share2(span.from), width: `calc(${share2(span.to ?? from + seconds)} - ${share2(span.from)})` } }),
        mine && seconds > 0 && /* @__PURE__ */ a3("i", { class: "head", style: { left: share2(position.value) } })
      ]
    }
  );
  if (!tall) return plot;
  return /* @__PURE__ */ a3("div", { class: "sound", children: [
    /* @__PURE__ */ a3("div", { class: "axes", children: [
      axis && /* @__PURE__ */ a3("div", { class: "khz", "aria-hidden": "true", children: [
        steps(axis.f_min / 1e3, axis.f_max / 1e3, 4).map((f5) => /* @__PURE__ */ a3("span", { style: { bottom: `${(f5 * 1e3 - axis.f_min) / (axis.f_max - axis.f_min) * 100}%` }, children: number(f5, f5 % 1 ? 1 : 0) }, f5)),
        /* @__PURE__ */ a3("b", { children: "kHz" })
      ] }),
      plot,
      axis && /* @__PURE__ */ a3("div", { class: "seconds", "aria-hidden": "true", children: steps(from, from + seconds, 6).map((s4) => /* @__PURE__ */ a3("span", { class: s4 > from + seconds * 0.97 ? "last" : void 0, style: { left: share2(s4) }, children: clock(s4) }, s4)) })
    ] }),
    /* @__PURE__ */ a3("div", { class: "row controls", children: [
      audio2 && /* @__PURE__ */ a3("button", { type: "button", class: "main", onClick: () => toggle(sound, audio2, start2, end), children: [
        /* @__PURE__ */ a3(Icon, { name: mine && running2.value ? "pause" : "play" }),
        mine && running2.value ? t4("sound.pause") : t4("sound.play")
      ] }),
      audio2 && /* @__PURE__ */ a3(Speeds, {}),
      long && /* @__PURE__ */ a3($, { children: [
        /* @__PURE__ */ a3("button", { type: "button", class: "small", disabled: begin.value <= 0, onClick: () => begin.value -= LONGEST, children: [
          /* @__PURE__ */ a3(Icon, { name: "left", size: 14 }),
          /* @__PURE__ */ a3("span", { class: "hidden", children: t4("sound.before") })
        ] }),
        /* @__PURE__ */ a3("button", { type: "button", class: "small", disabled: end0 >= (duration ?? 0), onClick: () => begin.value += LONGEST, children: [
          /* @__PURE__ */ a3(Icon, { name: "right", size: 14 }),
          /* @__PURE__ */ a3("span", { class: "hidden", children: t4("sound.after") })
        ] })
      ] }),
      /* @__PURE__ */ a3("span", { class: "soft", children: [
        clock(at),
        " / ",
        clock(duration ?? from + seconds),
        axis?.db_range ? ` · ${t4("sound.range", { low: axis.db_range[0] ?? 0, high: axis.db_range[1] ?? 0 })}` : ""
      ] })
    ] })
  ] });
}
function Speeds() {
  return /* @__PURE__ */ a3("label", { class: "speed", children: [
    t4("sound.speed"),
    /* @__PURE__ */ a3("select", { value: String(speed.value), onChange: (e4) => setSpeed(Number(e4.currentTarget.value)), children: SPEEDS.map((s4) => /* @__PURE__ */ a3("option", { value: String(s4), children: s4 === EXPANDED ? t4("sound.expanded") : `${number(s4, s4 % 1 ? s4 * 10 % 1 ? 2 : 1 : 0)} ×` }, s4)) })
  ] });
}

// src/parts/span.tsx
function SpanCutter({ part: part2, at }) {
  const id = P2();
  const open = useSignal(false);
  const from = useSignal(part2.from ?? 0);
  const to = useSignal(part2.to ?? part2.file.seconds ?? 0);
  const first2 = T2(null);
  A2(() => {
    if (open.value) first2.current?.focus();
  }, [open.value]);
  const seconds = part2.file.seconds ?? null;
  const links = part2.file.links;
  if (!links?.spectrogram) return null;
  function use() {
    const whole = from.value <= 0 && (seconds === null || to.value >= seconds);
    const next = whole ? { from: void 0, to: void 0 } : { from: from.value, to: to.value };
    ask({ parts: asked.value.parts.map((p5, i5) => i5 === at ? { ...part2, ...next } : p5) });
    open.value = false;
  }
  return /* @__PURE__ */ a3($, { children: [
    /* @__PURE__ */ a3("button", { type: "button", class: "quiet", "aria-expanded": open.value, "aria-controls": id, onClick: () => open.value = !open.value, children: [
      /* @__PURE__ */ a3(Icon, { name: "audio", size: 14 }),
      t4("span.open")
    ] }),
    open.value && /* @__PURE__ */ a3("div", { class: "cutter", id, role: "group", "aria-label": t4("span.title"), onKeyDown: (e4) => e4.key === "Escape" && (open.value = false), children: [
      /* @__PURE__ */ a3(
        Spectrogram,
        {
          sound: `upload ${part2.file.upload}`,
          title: part2.file.name ?? "",
          picture: links.spectrogram,
          audio: links.audio ?? null,
          span: { from: from.value, to: to.value },
          seconds,
          tall: true
        }
      ),
      /* @__PURE__ */ a3("div", { class: "row", children: [
        /* @__PURE__ */ a3("label", { children: [
          t4("span.from"),
          /* @__PURE__ */ a3("input", { ref: first2, type: "number", min: 0, max: seconds ?? void 0, step: 0.1, value: from.value, onInput: (e4) => from.value = Number(e4.currentTarget.value) })
        ] }),
        /* @__PURE__ */ a3("label", { children: [
          t4("span.to"),
          /* @__PURE__ */ a3("input", { type: "number", min: 0, max: seconds ?? void 0, step: 0.1, value: Number(to.value.toFixed(1)), onInput: (e4) => to.value = Number(e4.currentTarget.value) })
        ] }),
        /* @__PURE__ */ a3("button", { type: "button", class: "main", disabled: !(to.value > from.value), onClick: use, children: t4("span.use") })
      ] })
    ] })
  ] });
}

// src/parts/chips.tsx
function title(part2) {
  if (part2.kind === "text") return short(part2.text);
  if (part2.kind === "place") return place(...part2.at);
  if (part2.kind === "env") return t4("chip.env");
  if (part2.kind === "like") return part2.title ?? t4("chip.row", { row: String(part2.row) });
  return part2.file.name ? short(part2.file.name) : word("modality", part2.file.modality);
}
function icon(part2) {
  if (part2.kind === "upload") return part2.file.modality;
  return part2.kind === "place" ? "loc" : part2.kind === "like" ? "like" : part2.kind;
}
function detail(part2) {
  if (part2.kind === "like") return part2.by.length ? t4("chip.like.by", { by: part2.by.map((m5) => word("modality", m5)).join(", ") }) : t4("chip.like");
  if (part2.kind !== "upload" || part2.file.modality !== "audio") return "";
  if (part2.from !== void 0 && part2.to !== void 0) return `${clock(part2.from)}–${clock(part2.to)}`;
  return part2.file.seconds ? clock(part2.file.seconds) : "";
}
function Chips() {
  const list = T2(null);
  const { parts, more, less } = asked.value;
  function remove(act2, at, name) {
    act2();
    say(t4("heard.removed", { name }));
    requestAnimationFrame(() => {
      const buttons = list.current?.querySelectorAll("button.away") ?? [];
      (buttons[Math.min(at, buttons.length - 1)] ?? document.querySelector("[data-field=text]"))?.focus();
    });
  }
  if (!parts.length) return null;
  return /* @__PURE__ */ a3("ul", { class: "chips", ref: list, "aria-label": t4("chips"), children: [
    parts.map((part2, i5) => /* @__PURE__ */ a3("li", { class: "chip", children: [
      part2.kind === "upload" && part2.file.links?.thumbnail ? /* @__PURE__ */ a3("img", { src: part2.file.links.thumbnail, alt: "", width: "34", height: "34", onError: (e4) => e4.currentTarget.remove() }) : /* @__PURE__ */ a3(Icon, { name: icon(part2) }),
      /* @__PURE__ */ a3("span", { children: [
        /* @__PURE__ */ a3("span", { class: part2.kind === "text" ? "latin" : "", children: title(part2) }),
        " ",
        /* @__PURE__ */ a3("small", { children: detail(part2) })
      ] }),
      part2.kind === "upload" && part2.file.modality === "audio" && /* @__PURE__ */ a3(SpanCutter, { part: part2, at: i5 }),
      /* @__PURE__ */ a3("button", { type: "button", class: "quiet away", onClick: () => remove(() => removePart(i5), i5, title(part2)), children: [
        /* @__PURE__ */ a3(Icon, { name: "cross", size: 14 }),
        /* @__PURE__ */ a3("span", { class: "hidden", children: t4("chip.remove", { name: title(part2) }) })
      ] })
    ] }, `${part2.kind} ${title(part2)} ${i5}`)),
    more.length + less.length > 0 && /* @__PURE__ */ a3("li", { class: "chip", children: [
      /* @__PURE__ */ a3(Icon, { name: "check" }),
      /* @__PURE__ */ a3("span", { children: t4("chip.marks", { more: more.length, less: less.length }) }),
      /* @__PURE__ */ a3("button", { type: "button", class: "quiet away", onClick: () => remove(() => ask({ more: [], less: [] }), parts.length, t4("marks")), children: [
        /* @__PURE__ */ a3(Icon, { name: "cross", size: 14 }),
        /* @__PURE__ */ a3("span", { class: "hidden", children: t4("chip.remove", { name: t4("marks") }) })
      ] })
    ] }),
    parts.map((part2, i5) => part2.kind === "upload" && /* @__PURE__ */ a3(Found, { part: part2 }, `found ${i5}`))
  ] });
}
function Found({ part: part2 }) {
  const found = part2.file.found?.place;
  if (!found || asked.value.parts.some((p5) => p5.kind === "place")) return null;
  const at = [found.latitude, found.longitude];
  return /* @__PURE__ */ a3("li", { class: "offer", children: /* @__PURE__ */ a3("button", { type: "button", onClick: () => addPart({ kind: "place", at }), children: [
    /* @__PURE__ */ a3(Icon, { name: "plus", size: 14 }),
    t4("found.place", { place: place(...at), name: title(part2) })
  ] }) });
}

// src/said.ts
var OPTION = /--(near|bbox|taxon|from|to|licence-allow)\b/g;
function value(name, of) {
  if (Array.isArray(of)) return listed(of.map((m5) => word("modality", m5)));
  if (typeof of === "number") return of;
  if (name === "rank") return word("rank", of);
  if (name === "things") return word("things", of);
  if (name === "why") return english(of);
  if (name === "finest") return of.replace(" degree", "°");
  if (name === "parts") return of.replace(OPTION, (_5, option) => word("part", option)).replace(/\bhaving (\w+)/g, (_5, m5) => `${word("part", "having")} (${word("modality", m5)})`);
  return of;
}
function coded(code, values = {}) {
  const key = `said.${code}`;
  return known(key) ? t4(key, Object.fromEntries(Object.entries(values).map(([name, v5]) => [name, value(name, v5)]))) : null;
}
function sentence(text, some = []) {
  const found = some.find((s4) => s4.text === text);
  return coded(found?.code, found?.values) ?? english(text);
}
function refusalSaid(refusal3) {
  const { status, type, parameter, code, values } = refusal3.problem;
  if (status === 0) return t4("refused.unreachable");
  if (status === 401) return t4("refused.token");
  const own = coded(code, values);
  if (own) return own;
  const day = parameter === "filter.since" ? asked.value.filter.since : parameter === "filter.until" ? asked.value.filter.until : "";
  if (day) return t4("said.date", { date: day });
  if (language.value === "en") return refusal3.message;
  const kind = `problem.${type?.split("/").at(-1)}`;
  const frame2 = known(kind) ? t4(kind) : status === 503 ? t4("refused.busy") : status === 404 || status === 410 ? t4("refused.gone") : t4("problem");
  return `${frame2} ${english(refusal3.message)}`;
}

// src/parts/mixed.tsx
function Mixed({ text }) {
  return /* @__PURE__ */ a3($, { children: parted(text).map((part2, i5) => i5 % 2 ? /* @__PURE__ */ a3("span", { lang: "en", children: part2 }, i5) : part2) });
}

// src/parts/confidence.tsx
function likely(c4) {
  const rule = c4.rule === "row" ? t4("sure.row") : t4("sure.species");
  const [low, high] = c4.interval ?? [0, 0];
  const hit = c4.hit === 1 ? t4("sure.first") : c4.hit ? t4("sure.hit", { n: c4.hit }) : t4("sure.outside");
  return t4("sure.known", {
    hit,
    what: rule,
    p: chance(c4.p_right ?? 0),
    low: number(100 * low),
    high: percent(high),
    right: c4.right ?? 0,
    rows: c4.rows ?? 0,
    where: c4.source === "index" ? t4("sure.here") : t4("sure.elsewhere")
  });
}
function give(modality) {
  if (modality === "loc") {
    tool.value = "pick";
    pane.value = "map";
  }
  const field = modality === "text" ? "[data-field=text]" : modality === "loc" ? ".place input" : ".drop .choose";
  document.querySelector(field)?.focus();
}
function Confidence() {
  const found = answer.value;
  if (!found) return null;
  const sure = found.confidence ?? null;
  const set = found.species_set;
  const sigma = found.uncertainty;
  const next = found.add_next ?? null;
  const spearman = sigma?.spearman ?? index.value?.model.sigma_spearman ?? null;
  return /* @__PURE__ */ a3("div", { class: "sure", children: [
    sure?.p_right != null ? /* @__PURE__ */ a3("p", { children: [
      /* @__PURE__ */ a3("span", { class: "meter", "aria-hidden": "true", children: /* @__PURE__ */ a3("i", { style: { width: `${100 * sure.p_right}%` } }) }),
      likely(sure)
    ] }) : sure?.reason ? /* @__PURE__ */ a3("p", { class: "soft", children: /* @__PURE__ */ a3(Mixed, { text: t4("sure.unknown", { reason: sentence(sure.reason, found.said) }) }) }) : null,
    set?.names?.length ? /* @__PURE__ */ a3("p", { children: [
      t4("sure.set", { level: chance(set.level ?? 0) }),
      " ",
      /* @__PURE__ */ a3("span", { class: "latin", children: set.names.slice(0, 8).map(short).join(", ") }),
      set.names.length > 8 ? ` ${t4("sure.more", { n: set.names.length - 8 })}` : ""
    ] }) : null,
    sigma?.sigma_l1 != null && /* @__PURE__ */ a3("details", { children: [
      /* @__PURE__ */ a3("summary", { children: sigma.percentile != null ? t4("sigma.percentile", { percent: percent(sigma.percentile / 100), s: number(sigma.sigma_l1, 1) }) : t4("sigma.alone", { s: number(sigma.sigma_l1, 1) }) }),
      /* @__PURE__ */ a3("p", { class: "soft", children: spearman == null ? t4("sigma.unmeasured") : Math.abs(spearman) < 0.3 ? t4("sigma.weak", { r: number(spearman, 2) }) : t4("sigma.follows", { r: number(spearman, 2) }) })
    ] }),
    next && hits.value.length > 0 && /* @__PURE__ */ a3("p", { children: /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => give(next.modality), children: [
      /* @__PURE__ */ a3(Icon, { name: "plus", size: 14 }),
      t4("add.next", { what: word("a", next.modality), n: Math.round(-100 * next.failure_change) })
    ] }) })
  ] });
}

// src/parts/uploads.ts
var sending = y3([]);
function change(item, to) {
  const next = { ...item, ...to };
  sending.value = sending.value.map((s4) => s4 === item ? next : s4);
  return next;
}
function dismiss(item) {
  sending.value = sending.value.filter((s4) => s4 !== item);
}
async function sendOne(file) {
  let item = { name: file.name, share: 0, refusal: null };
  sending.value = [...sending.value.filter((s4) => s4.refusal === null), item];
  const most = index.value?.limits?.upload;
  if (most && file.size > most) {
    change(item, { refusal: t4("upload.large", { name: file.name, size: number(file.size / 2 ** 20), most: number(most / 2 ** 20) }) });
    return null;
  }
  if (file.size === 0) {
    change(item, { refusal: t4("upload.empty", { name: file.name }) });
    return null;
  }
  try {
    const sent = await upload(file, file.type, (share2) => item = change(item, { share: share2 }));
    dismiss(item);
    say(t4("heard.uploaded", { name: file.name }));
    return { kind: "upload", file: { ...sent, name: file.name } };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const why = refusalSaid(error);
    change(item, { refusal: `${file.name}: ${why}` });
    say(`${file.name}: ${why}`);
    return null;
  }
}
async function sendFiles(files) {
  const parts = [];
  for (const file of files) {
    const part2 = await sendOne(file);
    if (part2) parts.push(part2);
  }
  const old = asked.value.parts;
  const fresh = parts.filter(
    (p5) => !old.some((o5) => o5.kind === "upload" && p5.kind === "upload" && o5.file.upload === p5.file.upload)
  );
  if (fresh.length) ask({ parts: [...old, ...fresh] });
}

// src/parts/dropzone.tsx
var ACCEPTS = "image/*,audio/*,.tif,.tiff,.heic,.heif,.dng,.flac,.wav,.npy";
var typing = (target) => target instanceof Element && target.closest("input, textarea, select") !== null;
function DropZone() {
  const over = useSignal(false);
  const chooser = T2(null);
  const accepts = new Set((index.value?.modalities ?? []).map((m5) => m5.name));
  A2(() => {
    const drag = (e4) => {
      if (!e4.dataTransfer?.types.includes("Files")) return;
      e4.preventDefault();
      over.value = e4.type === "dragover";
      if (e4.type === "drop") void sendFiles([...e4.dataTransfer.files]);
    };
    const left = (e4) => !e4.relatedTarget && (over.value = false);
    const paste = (e4) => {
      const files = [...e4.clipboardData?.files ?? []];
      if (files.length) {
        e4.preventDefault();
        void sendFiles(files);
        return;
      }
      const at = typing(e4.target) ? null : placeOf(e4.clipboardData?.getData("text/plain") ?? "");
      if (at) addPart({ kind: "place", at });
    };
    window.addEventListener("dragover", drag);
    window.addEventListener("drop", drag);
    window.addEventListener("dragleave", left);
    document.addEventListener("paste", paste);
    return () => {
      window.removeEventListener("dragover", drag);
      window.removeEventListener("drop", drag);
      window.removeEventListener("dragleave", left);
      document.removeEventListener("paste", paste);
    };
  }, []);
  const most = index.value?.limits?.upload;
  return /* @__PURE__ */ a3("div", { class: over.value ? "drop over" : "drop", children: [
    /* @__PURE__ */ a3("button", { type: "button", class: "choose", onClick: () => chooser.current?.click(), children: [
      /* @__PURE__ */ a3(Icon, { name: "drop", size: 18 }),
      /* @__PURE__ */ a3("span", { children: [
        /* @__PURE__ */ a3("b", { children: t4("drop.title") }),
        /* @__PURE__ */ a3("small", { children: [
          t4("drop.kinds"),
          most ? ` · ${t4("drop.most", { mb: number(most / 2 ** 20) })}` : ""
        ] })
      ] })
    ] }),
    accepts.has("audio") && /* @__PURE__ */ a3(Recorder, {}),
    /* @__PURE__ */ a3(
      "input",
      {
        ref: chooser,
        class: "hidden",
        type: "file",
        multiple: true,
        accept: ACCEPTS,
        tabIndex: -1,
        "aria-label": t4("drop.title"),
        onChange: (e4) => {
          void sendFiles([...e4.currentTarget.files ?? []]);
          e4.currentTarget.value = "";
        }
      }
    ),
    sending.value.map(
      (s4) => s4.refusal ? /* @__PURE__ */ a3("p", { class: "refused", role: "alert", children: [
        /* @__PURE__ */ a3("span", { children: /* @__PURE__ */ a3(Mixed, { text: s4.refusal }) }),
        /* @__PURE__ */ a3("button", { type: "button", class: "quiet", onClick: () => dismiss(s4), children: [
          /* @__PURE__ */ a3(Icon, { name: "cross", size: 14 }),
          /* @__PURE__ */ a3("span", { class: "hidden", children: t4("close") })
        ] })
      ] }, s4.name) : /* @__PURE__ */ a3("p", { class: "progress", children: [
        /* @__PURE__ */ a3("span", { children: t4("upload.going", { name: s4.name }) }),
        /* @__PURE__ */ a3("progress", { max: 1, value: s4.share, "aria-label": t4("upload.going", { name: s4.name }) })
      ] }, s4.name)
    )
  ] });
}
function Recorder() {
  const recorder = useSignal(null);
  const allowed = window.isSecureContext && !!navigator.mediaDevices && "MediaRecorder" in window;
  async function start2() {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
      });
      const made2 = new MediaRecorder(stream);
      const pieces = [];
      made2.ondataavailable = (e4) => pieces.push(e4.data);
      made2.onstop = () => {
        for (const track of stream.getTracks()) track.stop();
        recorder.value = null;
        const type = made2.mimeType.split(";")[0] || "audio/webm";
        const name = `${t4("record.name")}.${type.endsWith("mp4") ? "m4a" : type.endsWith("ogg") ? "ogg" : "webm"}`;
        void sendFiles([new File(pieces, name, { type })]);
      };
      made2.start();
      recorder.value = made2;
      setTimeout(() => made2.state === "recording" && made2.stop(), 1e4);
    } catch {
      tell(t4("record.denied"));
    }
  }
  const running3 = recorder.value !== null;
  return /* @__PURE__ */ a3(
    "button",
    {
      type: "button",
      class: running3 ? "record on" : "record",
      "aria-pressed": running3,
      "aria-disabled": !allowed,
      title: allowed ? t4("record.hint") : t4("record.insecure"),
      onClick: () => allowed ? running3 ? recorder.value?.stop() : void start2() : tell(t4("record.insecure")),
      children: [
        /* @__PURE__ */ a3(Icon, { name: "mic" }),
        /* @__PURE__ */ a3("span", { children: running3 ? t4("record.stop") : t4("record.start") })
      ]
    }
  );
}

// src/parts/place.tsx
function PlaceField() {
  const id = P2();
  const text = useSignal("");
  const wrong = useSignal(false);
  A2(() => {
    const hint = placeHint.value;
    if (hint) text.value = place(...hint);
  }, [placeHint.value]);
  function enter() {
    if (!text.value.trim()) return;
    const at = placeOf(text.value);
    wrong.value = at === null;
    if (!at) return;
    addPart({ kind: "place", at });
    text.value = "";
  }
  function pick() {
    tool.value = tool.value === "pick" ? "move" : "pick";
    if (tool.value === "pick") pane.value = "map";
  }
  return /* @__PURE__ */ a3("div", { class: "place", children: [
    /* @__PURE__ */ a3("label", { for: id, children: t4("place.label") }),
    /* @__PURE__ */ a3("div", { class: "joined", children: [
      /* @__PURE__ */ a3(
        "input",
        {
          id,
          type: "text",
          inputMode: "text",
          autocomplete: "off",
          placeholder: "46.80, 7.15",
          value: text.value,
          "aria-invalid": wrong.value,
          "aria-describedby": wrong.value ? `${id}-wrong` : void 0,
          onInput: (e4) => {
            text.value = e4.currentTarget.value;
            wrong.value = false;
          },
          onKeyDown: (e4) => e4.key === "Enter" && enter(),
          onBlur: () => placeOf(text.value) && enter()
        }
      ),
      /* @__PURE__ */ a3("button", { type: "button", class: tool.value === "pick" ? "on" : "", "aria-pressed": tool.value === "pick", onClick: pick, children: [
        /* @__PURE__ */ a3(Icon, { name: "pick" }),
        t4("place.pick")
      ] })
    ] }),
    wrong.value && /* @__PURE__ */ a3("p", { id: `${id}-wrong`, class: "refused small", role: "alert", children: t4("place.wrong") })
  ] });
}

// src/parts/taxon.tsx
function TaxonField({ label, value: value2, name, placeholder, onChoose, keeps }) {
  const id = P2();
  const text = useSignal(value2);
  const found = useSignal([]);
  const at = useSignal(-1);
  const open = useSignal(false);
  const asking = T2(null);
  const waiting = T2(0);
  A2(() => void (text.value = value2), [value2]);
  A2(() => () => clearTimeout(waiting.current), []);
  function type(next) {
    text.value = next;
    at.value = -1;
    clearTimeout(waiting.current);
    asking.current?.abort();
    if (next.trim().length < 2) {
      open.value = false;
      found.value = [];
      return;
    }
    waiting.current = window.setTimeout(() => void complete(next.trim()), 120);
  }
  async function complete(q4) {
    const now = asking.current = new AbortController();
    try {
      const names = await get(address(`${BASE}/taxa`, { q: q4, limit: 10 }), now.signal);
      found.value = names;
      open.value = names.length > 0;
    } catch (error) {
      if (now.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      open.value = false;
    }
  }
  function choose(chosen) {
    clearTimeout(waiting.current);
    asking.current?.abort();
    open.value = false;
    text.value = keeps ? chosen : "";
    onChoose(chosen);
  }
  function key(e4) {
    const most = found.value.length;
    if (e4.key === "ArrowDown" || e4.key === "ArrowUp") {
      if (!most) return;
      e4.preventDefault();
      open.value = true;
      at.value = (at.value + (e4.key === "ArrowDown" ? 1 : at.value < 0 ? 0 : -1) + most) % most;
    } else if (e4.key === "Enter") {
      e4.preventDefault();
      const chosen = open.value && at.value >= 0 ? found.value[at.value]?.name : text.value.trim();
      if (chosen || keeps) choose(chosen ?? "");
    } else if (e4.key === "Escape" && open.value) {
      e4.stopPropagation();
      open.value = false;
    }
  }
  return /* @__PURE__ */ a3("div", { class: "taxon", children: [
    /* @__PURE__ */ a3("label", { for: id, children: label }),
    /* @__PURE__ */ a3(
      "input",
      {
        id,
        type: "text",
        name,
        "data-field": name,
        value: text.value,
        placeholder,
        maxLength: 500,
        autocomplete: "off",
        autocapitalize: "off",
        spellcheck: false,
        role: "combobox",
        "aria-autocomplete": "list",
        "aria-expanded": open.value,
        "aria-controls": `${id}-list`,
        "aria-activedescendant": open.value && at.value >= 0 ? `${id}-${at.value}` : void 0,
        onInput: (e4) => type(e4.currentTarget.value),
        onKeyDown: key,
        onBlur: () => {
          open.value = false;
          if (keeps && text.value.trim() !== value2) choose(text.value.trim());
        }
      }
    ),
    /* @__PURE__ */ a3("ul", { id: `${id}-list`, role: "listbox", "aria-label": label, hidden: !open.value, children: found.value.map((taxon, i5) => /* @__PURE__ */ a3(
      "li",
      {
        id: `${id}-${i5}`,
        role: "option",
        "aria-selected": i5 === at.value,
        onPointerDown: (e4) => e4.preventDefault(),
        onClick: () => choose(taxon.name),
        children: [
          /* @__PURE__ */ a3("span", { class: taxon.rank === "species" || taxon.rank === "genus" ? "name latin" : "name", children: short(taxon.name) }),
          /* @__PURE__ */ a3("span", { class: "soft", children: [taxon.common && short(taxon.common), taxon.rank && word("rank", taxon.rank)].filter(Boolean).join(" · ") }),
          taxon.rows != null && /* @__PURE__ */ a3("span", { class: "count", children: t4("count", { n: taxon.rows }) })
        ]
      },
      `${taxon.rank} ${taxon.name}`
    )) })
  ] });
}

// src/parts/ask.tsx
function Ask() {
  const has = new Set((index.value?.modalities ?? []).map((m5) => m5.name));
  return /* @__PURE__ */ a3("section", { class: "ask", "aria-labelledby": "ask-title", children: [
    /* @__PURE__ */ a3("h2", { id: "ask-title", class: "hidden", children: t4("ask.title") }),
    /* @__PURE__ */ a3("div", { class: "givers", children: [
      /* @__PURE__ */ a3(DropZone, {}),
      has.has("text") && /* @__PURE__ */ a3(
        TaxonField,
        {
          label: t4("name.label"),
          name: "text",
          value: "",
          placeholder: t4("name.placeholder"),
          keeps: false,
          onChoose: (text) => text && addPart({ kind: "text", text })
        }
      ),
      has.has("loc") && /* @__PURE__ */ a3(PlaceField, {})
    ] }),
    /* @__PURE__ */ a3(Chips, {}),
    asked.value.parts.length > 0 && /* @__PURE__ */ a3(Targets, {}),
    answer.value && /* @__PURE__ */ a3(Confidence, {})
  ] });
}
var ORDER = ["image", "audio", "loc", "sat", "env", "text"];
var inOrder = (some) => [...ORDER.filter((m5) => some.includes(m5)), ...some.filter((m5) => !ORDER.includes(m5))];
function Targets() {
  const targets = inOrder(index.value?.targets ?? []);
  const now = answer.value?.target ?? asked.value.target;
  const row = T2(null);
  A2(() => {
    const chosen = row.current?.querySelector("[aria-pressed=true]");
    if (row.current && chosen) row.current.scrollLeft = chosen.offsetLeft - row.current.offsetLeft - (row.current.clientWidth - chosen.offsetWidth) / 2;
  }, [now, language.value]);
  return /* @__PURE__ */ a3("div", { class: "find", ref: row, role: "group", "aria-label": t4("find"), children: [
    /* @__PURE__ */ a3("span", { class: "label", "aria-hidden": "true", children: t4("find") }),
    targets.map((m5) => /* @__PURE__ */ a3("button", { type: "button", "aria-pressed": m5 === now, onClick: () => ask({ target: m5 }), children: [
      /* @__PURE__ */ a3(Icon, { name: m5 }),
      word("target", m5)
    ] }, m5))
  ] });
}

// src/parts/columns.tsx
function Columns({ title: title2, columns, facet, without }) {
  const counts = new Map(facet.values.map((v5) => [Number(v5.value), v5.count]));
  const most = Math.max(1, ...counts.values());
  return /* @__PURE__ */ a3($, { children: [
    /* @__PURE__ */ a3("h4", { children: title2 }),
    /* @__PURE__ */ a3("ol", { class: "columns", style: { gridTemplateColumns: `repeat(${columns.length}, 1fr)` }, children: columns.map(({ value: value2, short: short2, long }) => {
      const count = counts.get(value2) ?? 0;
      const said2 = `${long}: ${number(count)}`;
      return /* @__PURE__ */ a3("li", { title: said2, children: [
        /* @__PURE__ */ a3("b", { children: /* @__PURE__ */ a3("i", { style: { height: `${100 * count / most}%` } }) }),
        /* @__PURE__ */ a3("span", { "aria-hidden": "true", children: short2 }),
        /* @__PURE__ */ a3("span", { class: "hidden", children: said2 })
      ] }, value2);
    }) }),
    facet.without > 0 && /* @__PURE__ */ a3("p", { class: "soft small", children: without })
  ] });
}
function Months({ months }) {
  const name = (m5, style2) => new Intl.DateTimeFormat(language.value, { month: style2, timeZone: "UTC" }).format(Date.UTC(2024, m5 - 1, 15));
  const columns = Array.from({ length: 12 }, (_5, i5) => ({ value: i5 + 1, short: name(i5 + 1, "narrow"), long: name(i5 + 1, "long") }));
  return /* @__PURE__ */ a3(Columns, { title: t4("among.month"), columns, facet: months, without: t4("among.monthless", { n: months.without }) });
}
function Hours({ hours }) {
  const two = (h6) => String(h6).padStart(2, "0");
  const columns = Array.from({ length: 24 }, (_5, h6) => ({ value: h6, short: h6 % 6 ? "" : String(h6), long: `${two(h6)}:00–${two(h6)}:59` }));
  return /* @__PURE__ */ a3(Columns, { title: t4("among.hour"), columns, facet: hours, without: t4("among.timeless", { n: hours.without }) });
}

// src/parts/filters.tsx
function Filters() {
  const f5 = asked.value.filter;
  const [first2, last] = index.value?.dates ?? [null, null];
  const drawn2 = (which) => {
    tool.value = tool.value === which ? "move" : which;
    if (tool.value === which) pane.value = "map";
  };
  return /* @__PURE__ */ a3("section", { class: "filters", "aria-labelledby": "only-title", children: [
    /* @__PURE__ */ a3("div", { class: "head", children: [
      /* @__PURE__ */ a3("h2", { id: "only-title", children: t4("only.title") }),
      isFiltered(f5) && /* @__PURE__ */ a3("button", { type: "button", class: "quiet small", onClick: clearFilter, children: t4("only.clear") })
    ] }),
    /* @__PURE__ */ a3(TaxonField, { label: t4("only.taxon"), name: "taxon", value: f5.taxon, placeholder: t4("only.taxon.placeholder"), keeps: true, onChoose: (taxon) => filterBy({ taxon }) }),
    /* @__PURE__ */ a3("label", { class: "check", children: [
      /* @__PURE__ */ a3("input", { type: "checkbox", checked: f5.observedOnly, onChange: (e4) => filterBy({ observedOnly: e4.currentTarget.checked }) }),
      t4("only.observed")
    ] }),
    /* @__PURE__ */ a3("label", { class: "check", children: [
      /* @__PURE__ */ a3("input", { type: "checkbox", checked: f5.onePerSpecies, onChange: (e4) => filterBy({ onePerSpecies: e4.currentTarget.checked }) }),
      t4("only.species")
    ] }),
    /* @__PURE__ */ a3("fieldset", { class: "dates", children: [
      /* @__PURE__ */ a3("legend", { children: t4("only.date") }),
      /* @__PURE__ */ a3(DateField, { label: t4("only.since"), value: f5.since, hint: first2, onChange: (since) => filterBy({ since }) }),
      /* @__PURE__ */ a3(DateField, { label: t4("only.until"), value: f5.until, hint: last, onChange: (until) => filterBy({ until }) })
    ] }),
    /* @__PURE__ */ a3("fieldset", { class: "where", children: [
      /* @__PURE__ */ a3("legend", { children: t4("only.where") }),
      /* @__PURE__ */ a3("div", { class: "row", children: [
        /* @__PURE__ */ a3("button", { type: "button", class: "small", "aria-pressed": tool.value === "box", onClick: () => drawn2("box"), children: [
          /* @__PURE__ */ a3(Icon, { name: "box", size: 14 }),
          t4("tool.box")
        ] }),
        /* @__PURE__ */ a3("button", { type: "button", class: "small", "aria-pressed": tool.value === "circle", onClick: () => drawn2("circle"), children: [
          /* @__PURE__ */ a3(Icon, { name: "circle", size: 14 }),
          t4("tool.circle")
        ] }),
        view.value && /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => view.value && filterBy({ bbox: view.value, near: null }), children: t4("only.view") })
      ] }),
      f5.bbox && /* @__PURE__ */ a3(Limit, { text: t4("only.bbox", { w: number(f5.bbox[0], 2), s: number(f5.bbox[1], 2), e: number(f5.bbox[2], 2), n: number(f5.bbox[3], 2) }), onClear: () => filterBy({ bbox: null }) }),
      /* @__PURE__ */ a3(NearFields, {})
    ] }),
    /* @__PURE__ */ a3(Licences, {}),
    answer.value && facets.value && /* @__PURE__ */ a3(Among, { counted: facets.value })
  ] });
}
function DateField({ label, value: value2, hint, onChange }) {
  return /* @__PURE__ */ a3("label", { children: [
    /* @__PURE__ */ a3("span", { children: label }),
    /* @__PURE__ */ a3(
      "input",
      {
        type: "text",
        inputMode: "numeric",
        value: value2,
        placeholder: hint?.slice(0, 10) ?? "2024-06",
        pattern: "\\d{4}(-\\d{2}(-\\d{2})?)?",
        title: t4("only.date.hint"),
        onKeyDown: (e4) => e4.key === "Enter" && e4.currentTarget.blur(),
        onBlur: (e4) => {
          const next = e4.currentTarget.value.trim();
          if (next !== value2 && (next === "" || e4.currentTarget.checkValidity())) onChange(next);
        }
      }
    )
  ] });
}
function Limit({ text, onClear }) {
  return /* @__PURE__ */ a3("p", { class: "limit", children: [
    /* @__PURE__ */ a3("span", { children: text }),
    /* @__PURE__ */ a3("button", { type: "button", class: "quiet", onClick: onClear, children: [
      /* @__PURE__ */ a3(Icon, { name: "cross", size: 14 }),
      /* @__PURE__ */ a3("span", { class: "hidden", children: t4("chip.remove", { name: text }) })
    ] })
  ] });
}
function NearFields() {
  const near = asked.value.filter.near;
  return /* @__PURE__ */ a3(
    "form",
    {
      class: "near",
      onSubmit: (e4) => {
        e4.preventDefault();
        const [latitude, longitude, km] = [...new FormData(e4.currentTarget).values()].map((v5) => v5 === "" ? Number.NaN : Number(v5));
        if ([latitude, longitude, km].every((v5) => Number.isFinite(v5))) filterBy({ near: { at: [latitude, longitude], km }, bbox: null });
      },
      children: [
        /* @__PURE__ */ a3("label", { children: [
          /* @__PURE__ */ a3("span", { children: t4("near.latitude") }),
          /* @__PURE__ */ a3("input", { name: "latitude", type: "number", step: "any", min: -90, max: 90, defaultValue: near ? String(Number(near.at[0].toFixed(4))) : "" })
        ] }),
        /* @__PURE__ */ a3("label", { children: [
          /* @__PURE__ */ a3("span", { children: t4("near.longitude") }),
          /* @__PURE__ */ a3("input", { name: "longitude", type: "number", step: "any", min: -180, max: 180, defaultValue: near ? String(Number(near.at[1].toFixed(4))) : "" })
        ] }),
        /* @__PURE__ */ a3("label", { children: [
          /* @__PURE__ */ a3("span", { children: t4("near.km") }),
          /* @__PURE__ */ a3("input", { name: "km", type: "number", step: "any", min: 0.1, max: 2e4, defaultValue: near ? String(Number(near.km.toFixed(1))) : "50" })
        ] }),
        /* @__PURE__ */ a3("button", { type: "submit", class: "small", children: t4("near.set") }),
        near && /* @__PURE__ */ a3("button", { type: "button", class: "quiet small", onClick: () => filterBy({ near: null }), children: t4("near.clear") })
      ]
    },
    near ? [...near.at, near.km].join() : ""
  );
}
function Licences() {
  const every = index.value?.licences ?? [];
  const chosen = asked.value.filter.license;
  if (every.length < 2 && !chosen.length) return null;
  const toggle2 = (l4) => filterBy({ license: chosen.includes(l4) ? chosen.filter((c4) => c4 !== l4) : [...chosen, l4] });
  return /* @__PURE__ */ a3("details", { class: "licences", open: chosen.length > 0, children: [
    /* @__PURE__ */ a3("summary", { children: [
      t4("only.license"),
      chosen.length ? ` · ${chosen.length}` : ""
    ] }),
    every.map(({ license, rows }) => /* @__PURE__ */ a3("label", { class: "check", children: [
      /* @__PURE__ */ a3("input", { type: "checkbox", checked: chosen.includes(license), onChange: () => toggle2(license) }),
      /* @__PURE__ */ a3("span", { children: license }),
      /* @__PURE__ */ a3("span", { class: "count", children: number(rows) })
    ] }, license))
  ] });
}
var SHOWN = 6;
function Among({ counted }) {
  const named = ["family", "genus", "species"].find((n3) => (counted.facets[n3]?.values.length ?? 0) > 1);
  const found = named ? counted.facets[named] : void 0;
  const taxa = found?.values ?? [];
  const more = (found?.others ?? 0) + Math.max(0, taxa.length - SHOWN);
  const months = counted.facets.month?.values ?? [];
  const hours = counted.facets.hour?.values ?? [];
  const licences = counted.facets.license?.values ?? [];
  return /* @__PURE__ */ a3("div", { class: "among", children: [
    /* @__PURE__ */ a3("h3", { children: t4("among.title", { n: counted.window }) }),
    taxa.length > 0 && /* @__PURE__ */ a3($, { children: [
      /* @__PURE__ */ a3("h4", { children: t4(`among.${named}`) }),
      /* @__PURE__ */ a3("ul", { class: "bars", children: taxa.slice(0, SHOWN).map(({ value: value2, count }) => /* @__PURE__ */ a3("li", { children: /* @__PURE__ */ a3("button", { type: "button", onClick: () => filterBy({ taxon: value2 }), children: [
        /* @__PURE__ */ a3("i", { style: { width: `${100 * count / counted.window}%` } }),
        /* @__PURE__ */ a3("span", { class: named === "family" ? "" : "latin", children: short(value2) }),
        /* @__PURE__ */ a3("span", { class: "count", children: number(count) })
      ] }) }, value2)) }),
      more > 0 && /* @__PURE__ */ a3("p", { class: "soft small", children: t4("among.more", { n: more }) })
    ] }),
    months.length > 0 && /* @__PURE__ */ a3(Months, { months: counted.facets.month }),
    hours.length > 0 && /* @__PURE__ */ a3(Hours, { hours: counted.facets.hour }),
    licences.length > 1 && /* @__PURE__ */ a3($, { children: [
      /* @__PURE__ */ a3("h4", { children: t4("only.license") }),
      /* @__PURE__ */ a3("ul", { class: "bars", children: licences.slice(0, SHOWN).map(({ value: value2, count }) => /* @__PURE__ */ a3("li", { children: /* @__PURE__ */ a3("button", { type: "button", onClick: () => filterBy({ license: [value2] }), children: [
        /* @__PURE__ */ a3("i", { style: { width: `${100 * count / counted.window}%` } }),
        /* @__PURE__ */ a3("span", { children: short(value2) }),
        /* @__PURE__ */ a3("span", { class: "count", children: number(count) })
      ] }) }, value2)) })
    ] })
  ] });
}

// src/parts/header.tsx
var palette = y3(kept("palette") ?? "auto");
function paint() {
  if (palette.value === "auto") delete document.documentElement.dataset.palette;
  else document.documentElement.dataset.palette = palette.value;
}
function nextPalette() {
  palette.value = palette.value === "auto" ? "dark" : palette.value === "dark" ? "light" : "auto";
  keep("palette", palette.value === "auto" ? null : palette.value);
  paint();
  window.dispatchEvent(new Event("palette"));
}
function Header() {
  const about = index.value;
  return /* @__PURE__ */ a3("header", { class: "top", children: [
    /* @__PURE__ */ a3("h1", { children: [
      /* @__PURE__ */ a3("img", { src: "/static/icon.svg", alt: "", width: "20", height: "20" }),
      "prom3e-index"
    ] }),
    about && /* @__PURE__ */ a3("p", { class: "about", children: [
      /* @__PURE__ */ a3("b", { children: about.name }),
      /* @__PURE__ */ a3("span", { children: t4("index.rows", { n: about.rows }) }),
      /* @__PURE__ */ a3("span", { children: t4("index.generation", { n: about.generation }) }),
      /* @__PURE__ */ a3("span", { children: t4("index.model", { name: about.model.name }) }),
      about.outline === "planet" && /* @__PURE__ */ a3("span", { class: "tag", children: t4("index.invented") })
    ] }),
    /* @__PURE__ */ a3("div", { class: "tools", children: [
      /* @__PURE__ */ a3("button", { type: "button", class: "quiet", onClick: nextPalette, title: t4(`palette.${palette.value}`), children: [
        /* @__PURE__ */ a3(Icon, { name: "light" }),
        /* @__PURE__ */ a3("span", { class: "hidden", children: t4(`palette.${palette.value}`) })
      ] }),
      /* @__PURE__ */ a3("label", { class: "language", children: [
        /* @__PURE__ */ a3("span", { class: "hidden", children: t4("language") }),
        /* @__PURE__ */ a3("select", { value: language.value, onChange: (e4) => speak(e4.currentTarget.value), children: LANGUAGES.map(([code, name]) => /* @__PURE__ */ a3("option", { value: code, lang: code, children: name }, code)) })
      ] }),
      /* @__PURE__ */ a3("button", { type: "button", class: "quiet", onClick: () => helpOpen.value = true, "aria-haspopup": "dialog", children: [
        /* @__PURE__ */ a3("b", { "aria-hidden": "true", children: "?" }),
        /* @__PURE__ */ a3("span", { class: "hidden", children: t4("help.open") })
      ] })
    ] })
  ] });
}

// src/parts/dialog.tsx
function Dialog({ label, name, onClose, children, tools, latin = false }) {
  const dialog = T2(null);
  A2(() => {
    const before = document.activeElement;
    const shown2 = dialog.current;
    shown2?.showModal();
    return () => {
      shown2?.close();
      before?.focus?.({ preventScroll: true });
    };
  }, []);
  return /* @__PURE__ */ a3(
    "dialog",
    {
      ref: dialog,
      class: name,
      "aria-label": label,
      onCancel: (e4) => {
        e4.preventDefault();
        onClose();
      },
      onClick: (e4) => e4.target === dialog.current && onClose(),
      children: /* @__PURE__ */ a3("div", { class: "sheet", children: [
        /* @__PURE__ */ a3("div", { class: "bar", children: [
          /* @__PURE__ */ a3("h2", { class: latin ? "latin" : "", children: label }),
          tools,
          /* @__PURE__ */ a3("button", { type: "button", class: "quiet", onClick: onClose, children: [
            /* @__PURE__ */ a3(Icon, { name: "cross" }),
            /* @__PURE__ */ a3("span", { class: "hidden", children: t4("close") })
          ] })
        ] }),
        children
      ] })
    }
  );
}

// src/parts/help.tsx
var singleKeys = y3(kept("keys") !== "off");
var KEYS = [
  ["/", "key.search"],
  ["← → ↑ ↓", "key.arrows"],
  ["kbd.enter", "key.enter"],
  ["kbd.space", "key.space"],
  ["m", "key.mark"],
  ["x", "key.reject"],
  ["s", "key.similar"],
  ["n", "key.more"],
  ["p", "key.back"],
  ["f", "key.filter"],
  ["g", "key.map"],
  ["?", "key.help"],
  ["Esc", "key.escape"]
];
function Help() {
  if (!helpOpen.value) return null;
  return /* @__PURE__ */ a3(Dialog, { label: t4("help.title"), name: "help", onClose: () => helpOpen.value = false, children: [
    /* @__PURE__ */ a3("p", { children: t4("help.how") }),
    /* @__PURE__ */ a3("dl", { class: "keys", children: KEYS.map(([key, what]) => /* @__PURE__ */ a3("div", { children: [
      /* @__PURE__ */ a3("dt", { children: /* @__PURE__ */ a3("kbd", { children: known(key) ? t4(key) : key }) }),
      /* @__PURE__ */ a3("dd", { children: t4(what) })
    ] }, key)) }),
    /* @__PURE__ */ a3("label", { class: "check", children: [
      /* @__PURE__ */ a3(
        "input",
        {
          type: "checkbox",
          checked: singleKeys.value,
          onChange: (e4) => {
            singleKeys.value = e4.currentTarget.checked;
            keep("keys", singleKeys.value ? null : "off");
          }
        }
      ),
      t4("help.single")
    ] }),
    /* @__PURE__ */ a3("p", { class: "soft", children: [
      t4("help.api"),
      " ",
      /* @__PURE__ */ a3("a", { href: "/openapi.json", children: "/openapi.json" }),
      " · ",
      /* @__PURE__ */ a3("a", { href: "/ogc", children: "/ogc" }),
      " · ",
      /* @__PURE__ */ a3("a", { href: "/static/NOTICES.txt", children: t4("help.notices") }),
      index.value ? ` · ${index.value.name}` : ""
    ] })
  ] });
}

// src/parts/link.tsx
function Link() {
  const some = unread.value;
  if (!some.length) return null;
  return /* @__PURE__ */ a3("div", { class: "banner", role: "alert", children: [
    /* @__PURE__ */ a3("p", { children: [
      t4("link.unread"),
      " ",
      some.map((part2, i5) => /* @__PURE__ */ a3("span", { children: [
        i5 > 0 && " ",
        /* @__PURE__ */ a3("code", { children: part2.length > 80 ? `${part2.slice(0, 79)}…` : part2 })
      ] }, i5))
    ] }),
    /* @__PURE__ */ a3("button", { type: "button", class: "quiet", onClick: () => unread.value = [], children: [
      /* @__PURE__ */ a3(Icon, { name: "cross", size: 14 }),
      /* @__PURE__ */ a3("span", { class: "hidden", children: t4("close") })
    ] })
  ] });
}

// node_modules/preact/compat/dist/compat.mjs
var w5 = Object.assign;
function R2(n3, t5) {
  for (var e4 in n3) if ("__source" != e4 && n3[e4] !== t5[e4]) return true;
  for (var r4 in t5) if ("__source" != r4 && !(r4 in n3)) return true;
  return false;
}
var x4 = /^(-|f[lo].*[^se]$|g.{5,}[^ps]$|z|o[pr]|(W.{5})?[lL]i.*(t|mp)$|an|(bo|s).{4}Im|sca|m.{6}[ds]|ta|c.*[st]$|wido|ini|asp|fill|st)/;
function A4(n3, t5) {
  function r4(n4) {
    var e4 = this.props.ref;
    return e4 != n4.ref && e4 && ("function" == typeof e4 ? e4(null) : e4.current = null), t5 ? !t5(this.props, n4) || e4 != n4.ref : R2(this.props, n4);
  }
  function u4(t6) {
    return this.shouldComponentUpdate = r4, k(n3, t6);
  }
  return u4.displayName = "Memo(" + (n3.displayName || n3.name) + ")", u4.prototype.isReactComponent = true, u4.type = n3, u4;
}
var P3 = /* @__PURE__ */ Symbol.for("react.element");
var $2 = /^(?:accent|alignment|arabic|baseline|cap|clip(?!PathU)|color|dominant|fill|flood|font|glyph(?!R)|horiz|image(?!S)|letter|lighting|marker(?!H|W|U)|overline|paint|pointer|shape|stop|strikethrough|stroke|text(?!L)|transform|underline|unicode|units|v|vector|vert|word|writing|x(?!C))[A-Z]/;
var z3 = /[A-Z0-9]/g;
var H2 = typeof document < "u";
var Y = function(n3) {
  return /fil|che|rad/.test(n3);
};
x.prototype.isReactComponent = true, ["componentWillMount", "componentWillReceiveProps", "componentWillUpdate"].forEach(function(n3) {
  Object.defineProperty(x.prototype, n3, { configurable: true, get: function() {
    return this["UNSAFE_" + n3];
  }, set: function(t5) {
    Object.defineProperty(this, n3, { configurable: true, writable: true, value: t5 });
  } });
});
var J2 = n.event;
n.event = function(n3) {
  return J2 && (n3 = J2(n3)), n3.persist = function() {
  }, n3.isPropagationStopped = function() {
    return this.cancelBubble;
  }, n3.isDefaultPrevented = function() {
    return this.defaultPrevented;
  }, n3.nativeEvent = n3;
};
var K3 = { configurable: true, get: function() {
  return this.class;
} };
var Q2 = n.vnode;
n.vnode = function(t5) {
  if ("string" == typeof t5.type) !(function(t6) {
    var e5 = t6.props, r5 = t6.type, u4 = {}, i5 = -1 == r5.indexOf("-");
    for (var o5 in e5) {
      var f5 = e5[o5];
      if (!("value" == o5 && "defaultValue" in e5 && null == f5 || H2 && "children" == o5 && "noscript" == r5 || "class" == o5 || "className" == o5)) {
        if ("style" == o5 && f5 && f5.constructor == Object) {
          var l4 = void 0;
          for (var a5 in f5) "number" != typeof f5[a5] || x4.test(a5) || (l4 || (l4 = f5 = w5({}, f5)), f5[a5] += "px");
        } else if ("defaultValue" == o5 && "value" in e5 && null == e5.value) o5 = "value";
        else if ("download" == o5 && true === f5) f5 = "";
        else if ("translate" == o5 && "no" === f5) f5 = false;
        else if ("o" == o5[0] && "n" == o5[1]) {
          var c4 = o5.toLowerCase();
          "ondoubleclick" == c4 ? o5 = "ondblclick" : "onchange" != c4 || "input" != r5 && "textarea" != r5 || Y(e5.type) ? "onfocus" == c4 ? o5 = "onfocusin" : "onblur" == c4 && (o5 = "onfocusout") : c4 = o5 = "oninput", "oninput" == c4 && u4[o5 = c4] && (o5 = "oninputCapture");
        } else i5 && $2.test(o5) ? o5 = o5.replace(z3, "-$&").toLowerCase() : null === f5 && (f5 = void 0);
        u4[o5] = f5;
      }
    }
    if ("select" == r5) {
      var s4 = null != u4.defaultValue ? u4.defaultValue : u4.multiple && Array.isArray(u4.value) ? u4.value : null;
      null != s4 && (u4.value = O(e5.children).forEach(function(n3) {
        n3.props.selected = u4.multiple ? -1 != s4.indexOf(n3.props.value) : s4 == n3.props.value;
      }));
    }
    e5.class && !e5.className ? (u4.class = e5.class, Object.defineProperty(u4, "className", K3)) : e5.className && (u4.class = u4.className = e5.className), t6.props = u4;
  })(t5);
  else if ("function" == typeof t5.type && ("ref" in t5.props && "prototype" in t5.type && t5.type.prototype.render && (t5.ref = t5.props.ref, delete t5.props.ref), t5.type.defaultProps)) {
    var e4 = w5({}, t5.props);
    for (var r4 in t5.type.defaultProps) void 0 === e4[r4] && (e4[r4] = t5.type.defaultProps[r4]);
    t5.props = e4;
  }
  t5.ref && !("ref" in t5.props) && Object.defineProperty(t5.props, "ref", { value: t5.ref, configurable: true, writable: true }), t5.$$typeof = P3, Q2 && Q2(t5);
};

// src/marks.ts
var marks = y3(/* @__PURE__ */ new Map());
var canMark = O2(() => index.value?.allows?.marks !== false);
var markedRows = O2(() => [...marks.value].filter(([, m5]) => m5 === "relevant").map(([row]) => row));
var rejectedRows = O2(() => [...marks.value].filter(([, m5]) => m5 === "irrelevant").map(([row]) => row));
async function openMarks() {
  if (!canMark.value) return;
  try {
    const found = await get("marks");
    marks.value = new Map(found.marks.flatMap(({ row, mark }) => row === null ? [] : [[row, mark]]));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}
async function toggleMark(hit, mark) {
  const before = marks.value;
  const next = new Map(before);
  const away = before.get(hit.row) === mark;
  if (away) next.delete(hit.row);
  else next.set(hit.row, mark);
  marks.value = next;
  try {
    if (away) await send("DELETE", `marks?row=${hit.row}`);
    else await send("POST", "marks", { rows: [hit.row], mark, search: answer.value?.id });
    tell(away ? t4("mark.away") : mark === "relevant" ? t4("mark.yes") : t4("mark.no"));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    marks.value = before;
    tell(`${t4("mark.fails")} ${refusalSaid(error)}`);
  }
}

// src/parts/menu.tsx
function Menu({ label, icon: icon2, children, hiddenLabel }) {
  const menu = T2(null);
  A2(() => {
    const elsewhere = (e4) => {
      if (menu.current?.open && !menu.current.contains(e4.target)) menu.current.open = false;
    };
    document.addEventListener("pointerdown", elsewhere);
    document.addEventListener("focusin", elsewhere);
    return () => {
      document.removeEventListener("pointerdown", elsewhere);
      document.removeEventListener("focusin", elsewhere);
    };
  }, []);
  return /* @__PURE__ */ a3(
    "details",
    {
      class: "menu",
      ref: menu,
      onKeyDown: (e4) => {
        if (e4.key !== "Escape" || !menu.current?.open) return;
        e4.stopPropagation();
        menu.current.open = false;
        menu.current.querySelector("summary")?.focus();
      },
      onClick: (e4) => {
        if (e4.target.closest("button, a") && menu.current) menu.current.open = false;
      },
      children: [
        /* @__PURE__ */ a3("summary", { title: hiddenLabel, children: [
          /* @__PURE__ */ a3(Icon, { name: icon2, size: 14 }),
          label,
          hiddenLabel && /* @__PURE__ */ a3("span", { class: "hidden", children: [
            " ",
            hiddenLabel
          ] }),
          /* @__PURE__ */ a3(Icon, { name: "down", size: 12 })
        ] }),
        /* @__PURE__ */ a3("div", { class: "choices", children })
      ]
    }
  );
}

// src/parts/similar.tsx
function Similar({ hit }) {
  const title2 = `${nameOf(hit)}`;
  if (!hit.observed.length) return null;
  if (hit.observed.length === 1)
    return /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => like(hit.row, hit.observed, title2), children: t4("similar.title") });
  return /* @__PURE__ */ a3(Menu, { label: t4("similar.title"), icon: "like", hiddenLabel: t4("similar.of", { name: title2 }), children: [
    hit.observed.map((m5) => /* @__PURE__ */ a3("button", { type: "button", onClick: () => like(hit.row, [m5], title2), children: t4("similar.by", { what: word("its", m5) }) }, m5)),
    /* @__PURE__ */ a3("button", { type: "button", onClick: () => like(hit.row, [], title2), children: t4("similar.all") })
  ] });
}

// src/parts/card.tsx
function State({ hit }) {
  return hit.completed ? /* @__PURE__ */ a3("span", { class: "state completed", title: t4("card.completed.why"), children: t4("card.completed") }) : /* @__PURE__ */ a3("span", { class: "state observed", children: t4("card.observed") });
}
function Observed({ hit }) {
  return /* @__PURE__ */ a3("span", { class: "has", children: hit.observed.map((m5) => /* @__PURE__ */ a3("span", { title: t4("card.has", { what: word("modality", m5) }), children: [
    /* @__PURE__ */ a3(Icon, { name: m5, size: 13 }),
    /* @__PURE__ */ a3("span", { class: "hidden", children: word("modality", m5) })
  ] }, m5)) });
}
function Rights({ hit }) {
  return /* @__PURE__ */ a3("p", { class: "rights", children: [
    hit.license_url && /^https?:\/\//.test(hit.license_url) ? /* @__PURE__ */ a3("a", { href: hit.license_url, rel: "noreferrer license", target: "_blank", children: rightsOf(hit) }) : rightsOf(hit),
    isNonCommercial(hit) && /* @__PURE__ */ a3("span", { class: "nc", title: t4("card.nc.why"), children: t4("card.nc") })
  ] });
}
function MarkButtons({ hit }) {
  if (!canMark.value) return null;
  const mark = marks.value.get(hit.row);
  return /* @__PURE__ */ a3("span", { class: "marks", children: [
    /* @__PURE__ */ a3("button", { type: "button", class: "yes", "aria-pressed": mark === "relevant", title: t4("mark.yes.do"), onClick: () => void toggleMark(hit, "relevant"), children: [
      /* @__PURE__ */ a3(Icon, { name: "check" }),
      /* @__PURE__ */ a3("span", { class: "hidden", children: t4("mark.yes.do") })
    ] }),
    /* @__PURE__ */ a3("button", { type: "button", class: "no", "aria-pressed": mark === "irrelevant", title: t4("mark.no.do"), onClick: () => void toggleMark(hit, "irrelevant"), children: [
      /* @__PURE__ */ a3(Icon, { name: "cross" }),
      /* @__PURE__ */ a3("span", { class: "hidden", children: t4("mark.no.do") })
    ] })
  ] });
}
function Chance({ hit }) {
  return /* @__PURE__ */ a3("span", { class: "score", children: [
    /* @__PURE__ */ a3("span", { title: t4("card.score"), children: number(hit.score, 3) }),
    hit.p_right != null && /* @__PURE__ */ a3("b", { class: hit.p_right < 0.5 ? "low" : void 0, title: t4("card.right.why"), children: t4("card.right", { p: chance(hit.p_right) }) })
  ] });
}
function Plain({ hit, target, at, focusable }) {
  language.value;
  const picture = pictureOf(hit, target);
  const audio2 = audioOf(hit);
  const key = soundKey(hit.row);
  const mark = marks.value.get(hit.row);
  const name = nameOf(hit);
  const open = () => opened.value = hit.row;
  return /* @__PURE__ */ a3(
    "li",
    {
      class: `card${mark === "relevant" ? " marked" : mark === "irrelevant" ? " rejected" : ""}${pointed.value === hit.row ? " pointed" : ""}`,
      "data-row": hit.row,
      "data-at": at,
      onPointerEnter: () => pointed.value = hit.row,
      onPointerLeave: () => pointed.value === hit.row && (pointed.value = null),
      onFocusCapture: () => pointed.value = hit.row,
      children: [
        /* @__PURE__ */ a3("div", { class: "shown", children: [
          /* @__PURE__ */ a3("button", { type: "button", class: "open", tabIndex: focusable ? 0 : -1, onClick: open, children: [
            picture?.kind === "sound" ? /* @__PURE__ */ a3(Spectrogram, { sound: key, title: name, picture: picture.url, audio: null }) : picture ? /* @__PURE__ */ a3(
              "img",
              {
                src: picture.url,
                alt: "",
                loading: at < 12 ? "eager" : "lazy",
                decoding: "async",
                onError: (e4) => e4.currentTarget.replaceWith(document.createTextNode(t4("card.missing")))
              }
            ) : /* @__PURE__ */ a3("span", { class: "none", title: unshownSaid(hit), children: [
              /* @__PURE__ */ a3(Icon, { name: target, size: 22 }),
              unshownShort(hit)
            ] }),
            /* @__PURE__ */ a3("span", { class: "hidden", children: t4("card.open", { rank: hit.rank, name }) })
          ] }),
          picture && picture.shows !== target && target !== "text" && target !== "loc" && target !== "env" && /* @__PURE__ */ a3("span", { class: "instead", children: [
            /* @__PURE__ */ a3(Icon, { name: picture.shows, size: 12 }),
            t4("shown.instead", { what: word("modality", picture.shows) })
          ] }),
          /* @__PURE__ */ a3("span", { class: "rank", "aria-hidden": "true", children: number(hit.rank) }),
          /* @__PURE__ */ a3(State, { hit }),
          audio2 && /* @__PURE__ */ a3("button", { type: "button", class: "playing", onClick: () => toggle(key, audio2, hit.span?.from ?? null, hit.span?.to ?? null), children: [
            /* @__PURE__ */ a3(Icon, { name: playing.value === key && running2.value ? "pause" : "play", size: 15 }),
            /* @__PURE__ */ a3("span", { class: "hidden", children: playing.value === key && running2.value ? t4("sound.pause") : t4("sound.play.of", { name }) })
          ] })
        ] }),
        /* @__PURE__ */ a3("div", { class: "facts", children: [
          /* @__PURE__ */ a3("h3", { children: [
            /* @__PURE__ */ a3("span", { class: isLatin(hit) ? "latin" : "", children: name }),
            /* @__PURE__ */ a3(Chance, { hit })
          ] }),
          /* @__PURE__ */ a3("p", { class: "second", children: [
            /* @__PURE__ */ a3("span", { children: secondName(hit) || " " }),
            /* @__PURE__ */ a3(Observed, { hit })
          ] }),
          /* @__PURE__ */ a3("p", { class: "soft", children: [
            dateOf(hit),
            " · ",
            placeOfHit(hit)
          ] }),
          /* @__PURE__ */ a3(Rights, { hit }),
          /* @__PURE__ */ a3("div", { class: "acts", children: [
            /* @__PURE__ */ a3(Similar, { hit }),
            /* @__PURE__ */ a3(MarkButtons, { hit })
          ] })
        ] })
      ]
    }
  );
}
var Card = A4(Plain);

// src/parts/climate.tsx
function useClimate(row) {
  const found = useSignal(null);
  const search2 = answer.value?.id;
  const known2 = index.value?.modalities.some((m5) => m5.name === "env") ?? false;
  A2(() => {
    found.value = null;
    if (!known2 || !search2) return;
    const asking = new AbortController();
    get(address(`${BASE}/searches/${search2}/climate`, { row }), asking.signal).then(
      (told2) => found.value = told2,
      (error) => {
        if (!(error instanceof Refusal) && !asking.signal.aborted) throw error;
      }
    );
    return () => asking.abort();
  }, [row, search2, known2]);
  return found.value;
}
var isClimate = (column, of) => of?.hit.source === "table" && /^(elevation|bio_?\d+)$/i.test(column);
var WIDEST = 3;
var share = (v5) => `${50 + 50 * Math.max(-WIDEST, Math.min(WIDEST, v5)) / WIDEST}%`;
function Climate({ of }) {
  const { variables, hit, query } = of;
  const both = variables.flatMap((name, i5) => {
    const [a5, b6] = [hit.values?.[i5] ?? null, query.values?.[i5] ?? null];
    return a5 === null || b6 === null ? [] : [{ name, apart: Math.abs(a5 - b6) }];
  });
  const farthest = both.reduce((most, v5) => v5.apart > most.apart ? v5 : most, both[0] ?? { name: "", apart: 0 });
  const own = hit.values !== null;
  return /* @__PURE__ */ a3("section", { class: "climate", "aria-labelledby": "climate-title", children: [
    /* @__PURE__ */ a3("h3", { id: "climate-title", children: t4("climate.title") }),
    !own && hit.reason && /* @__PURE__ */ a3("p", { class: "soft", children: word("climate.hit", hit.reason) }),
    own && query.reason && /* @__PURE__ */ a3("p", { class: "soft", children: word("climate.query", query.reason) }),
    own && /* @__PURE__ */ a3($, { children: [
      /* @__PURE__ */ a3("p", { class: "soft small", children: [
        farthest.apart >= 5e-3 && `${t4("climate.farthest", { name: word("climate", farthest.name), n: number(farthest.apart, 2) })} `,
        t4("climate.unit")
      ] }),
      /* @__PURE__ */ a3("table", { children: [
        /* @__PURE__ */ a3("thead", { children: /* @__PURE__ */ a3("tr", { children: [
          /* @__PURE__ */ a3("th", { scope: "col", children: /* @__PURE__ */ a3("span", { class: "hidden", children: t4("climate.variable") }) }),
          /* @__PURE__ */ a3("td", { "aria-hidden": "true", children: /* @__PURE__ */ a3("span", { class: "scale-ends", children: [
            /* @__PURE__ */ a3("span", { children: [
              "−",
              WIDEST
            ] }),
            /* @__PURE__ */ a3("span", { children: "0" }),
            /* @__PURE__ */ a3("span", { children: [
              "+",
              WIDEST
            ] })
          ] }) }),
          /* @__PURE__ */ a3("th", { scope: "col", children: [
            /* @__PURE__ */ a3("i", { class: "mark hit", "aria-hidden": "true" }),
            " ",
            t4("climate.of.hit")
          ] }),
          query.values && /* @__PURE__ */ a3("th", { scope: "col", children: [
            /* @__PURE__ */ a3("i", { class: "mark query", "aria-hidden": "true" }),
            " ",
            t4("climate.of.query")
          ] })
        ] }) }),
        /* @__PURE__ */ a3("tbody", { children: variables.map((name, i5) => {
          const [a5, b6] = [hit.values?.[i5] ?? null, query.values?.[i5] ?? null];
          return /* @__PURE__ */ a3("tr", { children: [
            /* @__PURE__ */ a3("th", { scope: "row", title: name.startsWith("bio") ? name : void 0, children: word("climate", name) }),
            /* @__PURE__ */ a3("td", { class: "track", "aria-hidden": "true", children: /* @__PURE__ */ a3("span", { children: [
              a5 !== null && /* @__PURE__ */ a3("i", { class: "mark hit", style: { left: share(a5) } }),
              b6 !== null && /* @__PURE__ */ a3("i", { class: "mark query", style: { left: share(b6) } })
            ] }) }),
            /* @__PURE__ */ a3("td", { class: "value", children: a5 === null ? "–" : number(a5, 2) }),
            query.values && /* @__PURE__ */ a3("td", { class: "value", children: b6 === null ? "–" : number(b6, 2) })
          ] }, name);
        }) })
      ] })
    ] })
  ] });
}

// src/parts/lightbox.tsx
function close() {
  opened.value = null;
  write(true);
}
function step(by) {
  const every = sorted.value;
  const at = every.findIndex((h6) => h6.row === opened.value);
  const next = every[at + by];
  if (at >= 0 && next) opened.value = next.row;
}
function Lightbox() {
  const row = opened.value;
  if (row === null) return null;
  return /* @__PURE__ */ a3(Opened, { row });
}
function Opened({ row }) {
  const ranked = sorted.value.find((h6) => h6.row === row) ?? null;
  const fetched = useSignal(null);
  const why = useSignal("");
  A2(() => {
    write(true);
    const asking = new AbortController();
    fetched.value = null;
    why.value = "";
    get(observation(row), asking.signal).then(
      (found) => fetched.value = found,
      (error) => {
        if (error instanceof Refusal) why.value = refusalSaid(error);
        else if (!asking.signal.aborted) throw error;
      }
    );
    return () => asking.abort();
  }, [row]);
  const all = fetched.value;
  const hit = ranked ?? all;
  const every = sorted.value;
  const at = every.findIndex((h6) => h6.row === row);
  return /* @__PURE__ */ a3(
    Dialog,
    {
      label: hit ? nameOf(hit) : t4("chip.row", { row: String(row) }),
      latin: hit !== null && isLatin(hit),
      name: "lightbox",
      onClose: close,
      tools: at >= 0 && /* @__PURE__ */ a3($, { children: [
        /* @__PURE__ */ a3("span", { class: "soft", children: t4("box.at", { n: at + 1, all: every.length }) }),
        /* @__PURE__ */ a3("button", { type: "button", class: "quiet", disabled: at === 0, onClick: () => step(-1), children: [
          /* @__PURE__ */ a3(Icon, { name: "left" }),
          /* @__PURE__ */ a3("span", { class: "hidden", children: t4("box.before") })
        ] }),
        /* @__PURE__ */ a3("button", { type: "button", class: "quiet", disabled: at === every.length - 1, onClick: () => step(1), children: [
          /* @__PURE__ */ a3(Icon, { name: "right" }),
          /* @__PURE__ */ a3("span", { class: "hidden", children: t4("box.after") })
        ] })
      ] }),
      children: [
        why.value && /* @__PURE__ */ a3("p", { class: "refused", role: "alert", children: /* @__PURE__ */ a3(Mixed, { text: why.value }) }),
        hit && /* @__PURE__ */ a3(Body, { hit: { ...all, ...hit }, ranked: ranked !== null, fields: all })
      ]
    }
  );
}
function Body({ hit, ranked, fields }) {
  const links = hit.links ?? {};
  const audio2 = audioOf(hit);
  const climate = useClimate(hit.row);
  return /* @__PURE__ */ a3("div", { class: links.image || links.spectrogram || links.sat ? "large" : "large plain", children: [
    /* @__PURE__ */ a3("div", { class: "seen", children: [
      links.image ? /* @__PURE__ */ a3(Picture, { url: links.image, name: nameOf(hit) }) : null,
      links.spectrogram ? /* @__PURE__ */ a3(Spectrogram, { sound: soundKey(hit.row), title: nameOf(hit), picture: links.spectrogram, audio: audio2, span: hit.span ?? null, tall: true }) : null,
      links.sat ? /* @__PURE__ */ a3("figure", { class: "tile", children: [
        /* @__PURE__ */ a3("img", { src: links.sat, alt: t4("box.tile"), loading: "lazy" }),
        /* @__PURE__ */ a3("figcaption", { children: t4("box.tile") })
      ] }) : null,
      !links.image && !links.spectrogram && !links.sat && /* @__PURE__ */ a3("p", { class: "none", children: unshownSaid(hit) })
    ] }),
    /* @__PURE__ */ a3("div", { class: "said", children: [
      ranked && /* @__PURE__ */ a3("p", { class: "row", children: [
        /* @__PURE__ */ a3(State, { hit }),
        /* @__PURE__ */ a3(Chance, { hit })
      ] }),
      hit.completed && ranked && /* @__PURE__ */ a3("p", { class: "soft", children: t4("card.completed.why") }),
      /* @__PURE__ */ a3("p", { children: [
        /* @__PURE__ */ a3("span", { class: isLatin(hit) ? "latin big" : "big", children: nameOf(hit) }),
        secondName(hit) ? /* @__PURE__ */ a3($, { children: [
          /* @__PURE__ */ a3("br", {}),
          secondName(hit)
        ] }) : null
      ] }),
      /* @__PURE__ */ a3("p", { children: [
        dateOf(hit),
        /* @__PURE__ */ a3("br", {}),
        placeOfHit(hit)
      ] }),
      /* @__PURE__ */ a3(Rights, { hit }),
      /* @__PURE__ */ a3("p", { class: "row", children: [
        /* @__PURE__ */ a3(Similar, { hit }),
        /* @__PURE__ */ a3(MarkButtons, { hit }),
        hit.scientific_name && answer.value && /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => {
          close();
          filterBy({ taxon: hit.scientific_name });
        }, children: t4("box.only", { name: nameOf(hit) }) })
      ] }),
      /* @__PURE__ */ a3(Originals, { hit }),
      /* @__PURE__ */ a3("ul", { class: "observed-list", children: [
        hit.observed.map((m5) => /* @__PURE__ */ a3("li", { children: [
          /* @__PURE__ */ a3(Icon, { name: m5, size: 14 }),
          word("modality", m5),
          " ",
          /* @__PURE__ */ a3("small", { children: t4("card.observed") })
        ] }, m5)),
        (hit.completed_modalities ?? []).map((m5) => /* @__PURE__ */ a3("li", { class: "soft", children: [
          /* @__PURE__ */ a3(Icon, { name: m5, size: 14 }),
          word("modality", m5),
          " ",
          /* @__PURE__ */ a3("small", { children: t4("card.completed") })
        ] }, m5))
      ] }),
      climate && /* @__PURE__ */ a3(Climate, { of: climate }),
      fields?.fields && /* @__PURE__ */ a3(Fields, { of: fields.fields, climate })
    ] })
  ] });
}
function Originals({ hit }) {
  const some = ["image", "audio"].filter((m5) => hit.links?.[m5]);
  if (!index.value?.allows?.originals || hit.obscured || !some.length) return null;
  return /* @__PURE__ */ a3("p", { class: "row small", children: some.map((m5) => /* @__PURE__ */ a3("a", { href: address(`${BASE}/media/${hit.row}/original`, { modality: m5, generation: answer.value?.generation }), download: true, children: t4(`box.original.${m5}`) }, m5)) });
}
function Picture({ url, name }) {
  const [missing, setMissing] = d2(false);
  A2(() => setMissing(false), [url]);
  if (missing) return /* @__PURE__ */ a3("p", { class: "none", children: t4("card.missing") });
  return /* @__PURE__ */ a3("img", { class: "photo", src: url, alt: t4("box.photo", { name }), onError: () => setMissing(true) });
}
var ENGLISH2 = /* @__PURE__ */ new Set(["data_generalizations", "information_withheld"]);
var ELSEWHERE = /* @__PURE__ */ new Set(["license_url", "start_s", "end_s", "event_start", "event_end"]);
function written2(value2) {
  if (typeof value2 === "boolean") return value2 ? t4("yes") : t4("no");
  if (typeof value2 === "number") return Number.isInteger(value2) ? String(value2) : number(value2, 4);
  if (Array.isArray(value2)) return value2.map(written2).join(", ");
  return String(value2);
}
function Column({ name }) {
  if (known(`field.${name}`)) return /* @__PURE__ */ a3($, { children: word("field", name) });
  if (known(`rank.${name}`)) return /* @__PURE__ */ a3($, { children: word("rank", name) });
  return known(`climate.${name}`) ? /* @__PURE__ */ a3($, { children: word("climate", name) }) : /* @__PURE__ */ a3("code", { translate: false, children: name });
}
function Fields({ of, climate }) {
  language.value;
  const some = Object.entries(of).filter(([name, value2]) => !ELSEWHERE.has(name) && !isClimate(name, climate) && value2 !== "" && typeof value2 !== "object");
  return /* @__PURE__ */ a3("table", { class: "fields", children: [
    /* @__PURE__ */ a3("caption", { class: "hidden", children: t4("box.fields") }),
    /* @__PURE__ */ a3("tbody", { children: some.map(([name, value2]) => /* @__PURE__ */ a3("tr", { children: [
      /* @__PURE__ */ a3("th", { scope: "row", children: /* @__PURE__ */ a3(Column, { name }) }),
      /* @__PURE__ */ a3("td", { lang: ENGLISH2.has(name) ? "en" : void 0, children: name === "place_level" ? word("level", String(value2)).replace("deg", "°") : written2(value2) })
    ] }, name)) })
  ] });
}

// src/map/colours.ts
var repainted = y3(0);
var changed = () => void repainted.value++;
window.addEventListener("palette", changed);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
var isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark";
function colours() {
  const sheet = getComputedStyle(document.documentElement);
  const of = (name) => sheet.getPropertyValue(`--${name}`).trim();
  return {
    sea: of("sea"),
    land: of("land"),
    coast: of("coast"),
    border: of("border"),
    label: of("soft"),
    halo: of("land"),
    observed: of("leaf"),
    completed: of("guess"),
    asked: of("ask"),
    edge: of("card"),
    on: of("on"),
    counts: isDark() ? [...COUNTS].reverse() : COUNTS
  };
}
var SCALE = ["#f3efc0", "#c2dfa5", "#7cc3a2", "#3a9ca6", "#2a6f97", "#253f7a"];
var COUNTS = ["#cfe3d6", "#9cc9ae", "#62a884", "#38855f", "#1f5f43"];

// node_modules/fflate/esm/browser.js
var u8 = Uint8Array;
var u16 = Uint16Array;
var i32 = Int32Array;
var fleb = new u8([
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  1,
  1,
  1,
  1,
  2,
  2,
  2,
  2,
  3,
  3,
  3,
  3,
  4,
  4,
  4,
  4,
  5,
  5,
  5,
  5,
  0,
  /* unused */
  0,
  0,
  /* impossible */
  0
]);
var fdeb = new u8([
  0,
  0,
  0,
  0,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  4,
  5,
  5,
  6,
  6,
  7,
  7,
  8,
  8,
  9,
  9,
  10,
  10,
  11,
  11,
  12,
  12,
  13,
  13,
  /* unused */
  0,
  0
]);
var clim = new u8([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);
var freb = function(eb, start2) {
  var b6 = new u16(31);
  for (var i5 = 0; i5 < 31; ++i5) {
    b6[i5] = start2 += 1 << eb[i5 - 1];
  }
  var r4 = new i32(b6[30]);
  for (var i5 = 1; i5 < 30; ++i5) {
    for (var j5 = b6[i5]; j5 < b6[i5 + 1]; ++j5) {
      r4[j5] = j5 - b6[i5] << 5 | i5;
    }
  }
  return { b: b6, r: r4 };
};
var _a = freb(fleb, 2);
var fl = _a.b;
var revfl = _a.r;
fl[28] = 258, revfl[258] = 28;
var _b = freb(fdeb, 0);
var fd = _b.b;
var revfd = _b.r;
var rev = new u16(32768);
for (i4 = 0; i4 < 32768; ++i4) {
  x5 = (i4 & 43690) >> 1 | (i4 & 21845) << 1;
  x5 = (x5 & 52428) >> 2 | (x5 & 13107) << 2;
  x5 = (x5 & 61680) >> 4 | (x5 & 3855) << 4;
  rev[i4] = ((x5 & 65280) >> 8 | (x5 & 255) << 8) >> 1;
}
var x5;
var i4;
var hMap = (function(cd, mb, r4) {
  var s4 = cd.length;
  var i5 = 0;
  var l4 = new u16(mb);
  for (; i5 < s4; ++i5) {
    if (cd[i5])
      ++l4[cd[i5] - 1];
  }
  var le = new u16(mb);
  for (i5 = 1; i5 < mb; ++i5) {
    le[i5] = le[i5 - 1] + l4[i5 - 1] << 1;
  }
  var co;
  if (r4) {
    co = new u16(1 << mb);
    var rvb = 15 - mb;
    for (i5 = 0; i5 < s4; ++i5) {
      if (cd[i5]) {
        var sv = i5 << 4 | cd[i5];
        var r_1 = mb - cd[i5];
        var v5 = le[cd[i5] - 1]++ << r_1;
        for (var m5 = v5 | (1 << r_1) - 1; v5 <= m5; ++v5) {
          co[rev[v5] >> rvb] = sv;
        }
      }
    }
  } else {
    co = new u16(s4);
    for (i5 = 0; i5 < s4; ++i5) {
      if (cd[i5]) {
        co[i5] = rev[le[cd[i5] - 1]++] >> 15 - cd[i5];
      }
    }
  }
  return co;
});
var flt = new u8(288);
for (i4 = 0; i4 < 144; ++i4)
  flt[i4] = 8;
var i4;
for (i4 = 144; i4 < 256; ++i4)
  flt[i4] = 9;
var i4;
for (i4 = 256; i4 < 280; ++i4)
  flt[i4] = 7;
var i4;
for (i4 = 280; i4 < 288; ++i4)
  flt[i4] = 8;
var i4;
var fdt = new u8(32);
for (i4 = 0; i4 < 32; ++i4)
  fdt[i4] = 5;
var i4;
var flrm = /* @__PURE__ */ hMap(flt, 9, 1);
var fdrm = /* @__PURE__ */ hMap(fdt, 5, 1);
var max = function(a5) {
  var m5 = a5[0];
  for (var i5 = 1; i5 < a5.length; ++i5) {
    if (a5[i5] > m5)
      m5 = a5[i5];
  }
  return m5;
};
var bits = function(d6, p5, m5) {
  var o5 = p5 / 8 | 0;
  return (d6[o5] | d6[o5 + 1] << 8) >> (p5 & 7) & m5;
};
var bits16 = function(d6, p5) {
  var o5 = p5 / 8 | 0;
  return (d6[o5] | d6[o5 + 1] << 8 | d6[o5 + 2] << 16) >> (p5 & 7);
};
var shft = function(p5) {
  return (p5 + 7) / 8 | 0;
};
var slc = function(v5, s4, e4) {
  if (s4 == null || s4 < 0)
    s4 = 0;
  if (e4 == null || e4 > v5.length)
    e4 = v5.length;
  return new u8(v5.subarray(s4, e4));
};
var ec = [
  "unexpected EOF",
  "invalid block type",
  "invalid length/literal",
  "invalid distance",
  "stream finished",
  "no stream handler",
  ,
  // determined by compression function
  "no callback",
  "invalid UTF-8 data",
  "extra field too long",
  "date not in range 1980-2099",
  "filename too long",
  "stream finishing",
  "invalid zip data"
  // determined by unknown compression method
];
var err = function(ind, msg, nt) {
  var e4 = new Error(msg || ec[ind]);
  e4.code = ind;
  if (Error.captureStackTrace)
    Error.captureStackTrace(e4, err);
  if (!nt)
    throw e4;
  return e4;
};
var inflt = function(dat, st, buf, dict) {
  var sl = dat.length, dl = dict ? dict.length : 0;
  if (!sl || st.f && !st.l)
    return buf || new u8(0);
  var noBuf = !buf;
  var resize = noBuf || st.i != 2;
  var noSt = st.i;
  if (noBuf)
    buf = new u8(sl * 3);
  var cbuf = function(l5) {
    var bl = buf.length;
    if (l5 > bl) {
      var nbuf = new u8(Math.max(bl * 2, l5));
      nbuf.set(buf);
      buf = nbuf;
    }
  };
  var final = st.f || 0, pos = st.p || 0, bt = st.b || 0, lm = st.l, dm = st.d, lbt = st.m, dbt = st.n;
  var tbts = sl * 8;
  do {
    if (!lm) {
      final = bits(dat, pos, 1);
      var type = bits(dat, pos + 1, 3);
      pos += 3;
      if (!type) {
        var s4 = shft(pos) + 4, l4 = dat[s4 - 4] | dat[s4 - 3] << 8, t5 = s4 + l4;
        if (t5 > sl) {
          if (noSt)
            err(0);
          break;
        }
        if (resize)
          cbuf(bt + l4);
        buf.set(dat.subarray(s4, t5), bt);
        st.b = bt += l4, st.p = pos = t5 * 8, st.f = final;
        continue;
      } else if (type == 1)
        lm = flrm, dm = fdrm, lbt = 9, dbt = 5;
      else if (type == 2) {
        var hLit = bits(dat, pos, 31) + 257, hcLen = bits(dat, pos + 10, 15) + 4;
        var tl = hLit + bits(dat, pos + 5, 31) + 1;
        pos += 14;
        var ldt = new u8(tl);
        var clt = new u8(19);
        for (var i5 = 0; i5 < hcLen; ++i5) {
          clt[clim[i5]] = bits(dat, pos + i5 * 3, 7);
        }
        pos += hcLen * 3;
        var clb = max(clt), clbmsk = (1 << clb) - 1;
        var clm = hMap(clt, clb, 1);
        for (var i5 = 0; i5 < tl; ) {
          var r4 = clm[bits(dat, pos, clbmsk)];
          pos += r4 & 15;
          var s4 = r4 >> 4;
          if (s4 < 16) {
            ldt[i5++] = s4;
          } else {
            var c4 = 0, n3 = 0;
            if (s4 == 16)
              n3 = 3 + bits(dat, pos, 3), pos += 2, c4 = ldt[i5 - 1];
            else if (s4 == 17)
              n3 = 3 + bits(dat, pos, 7), pos += 3;
            else if (s4 == 18)
              n3 = 11 + bits(dat, pos, 127), pos += 7;
            while (n3--)
              ldt[i5++] = c4;
          }
        }
        var lt = ldt.subarray(0, hLit), dt = ldt.subarray(hLit);
        lbt = max(lt);
        dbt = max(dt);
        lm = hMap(lt, lbt, 1);
        dm = hMap(dt, dbt, 1);
      } else
        err(1);
      if (pos > tbts) {
        if (noSt)
          err(0);
        break;
      }
    }
    if (resize)
      cbuf(bt + 131072);
    var lms = (1 << lbt) - 1, dms = (1 << dbt) - 1;
    var lpos = pos;
    for (; ; lpos = pos) {
      var c4 = lm[bits16(dat, pos) & lms], sym = c4 >> 4;
      pos += c4 & 15;
      if (pos > tbts) {
        if (noSt)
          err(0);
        break;
      }
      if (!c4)
        err(2);
      if (sym < 256)
        buf[bt++] = sym;
      else if (sym == 256) {
        lpos = pos, lm = null;
        break;
      } else {
        var add = sym - 254;
        if (sym > 264) {
          var i5 = sym - 257, b6 = fleb[i5];
          add = bits(dat, pos, (1 << b6) - 1) + fl[i5];
          pos += b6;
        }
        var d6 = dm[bits16(dat, pos) & dms], dsym = d6 >> 4;
        if (!d6)
          err(3);
        pos += d6 & 15;
        var dt = fd[dsym];
        if (dsym > 3) {
          var b6 = fdeb[dsym];
          dt += bits16(dat, pos) & (1 << b6) - 1, pos += b6;
        }
        if (pos > tbts) {
          if (noSt)
            err(0);
          break;
        }
        if (resize)
          cbuf(bt + 131072);
        var end = bt + add;
        if (bt < dt) {
          var shift = dl - dt, dend = Math.min(dt, end);
          if (shift + bt < 0)
            err(3);
          for (; bt < dend; ++bt)
            buf[bt] = dict[shift + bt];
        }
        for (; bt < end; ++bt)
          buf[bt] = buf[bt - dt];
      }
    }
    st.l = lm, st.p = lpos, st.b = bt, st.f = final;
    if (lm)
      final = 1, st.m = lbt, st.d = dm, st.n = dbt;
  } while (!final);
  return bt != buf.length && noBuf ? slc(buf, 0, bt) : buf.subarray(0, bt);
};
var et = /* @__PURE__ */ new u8(0);
var gzs = function(d6) {
  if (d6[0] != 31 || d6[1] != 139 || d6[2] != 8)
    err(6, "invalid gzip data");
  var flg = d6[3];
  var st = 10;
  if (flg & 4)
    st += (d6[10] | d6[11] << 8) + 2;
  for (var zs = (flg >> 3 & 1) + (flg >> 4 & 1); zs > 0; zs -= !d6[st++])
    ;
  return st + (flg & 2);
};
var gzl = function(d6) {
  var l4 = d6.length;
  return (d6[l4 - 4] | d6[l4 - 3] << 8 | d6[l4 - 2] << 16 | d6[l4 - 1] << 24) >>> 0;
};
var zls = function(d6, dict) {
  if ((d6[0] & 15) != 8 || d6[0] >> 4 > 7 || (d6[0] << 8 | d6[1]) % 31)
    err(6, "invalid zlib data");
  if ((d6[1] >> 5 & 1) == +!dict)
    err(6, "invalid zlib data: " + (d6[1] & 32 ? "need" : "unexpected") + " dictionary");
  return (d6[1] >> 3 & 4) + 2;
};
function inflateSync(data, opts) {
  return inflt(data, { i: 2 }, opts && opts.out, opts && opts.dictionary);
}
function gunzipSync(data, opts) {
  var st = gzs(data);
  if (st + 8 > data.length)
    err(6, "invalid gzip data");
  return inflt(data.subarray(st, -8), { i: 2 }, opts && opts.out || new u8(gzl(data)), opts && opts.dictionary);
}
function unzlibSync(data, opts) {
  return inflt(data.subarray(zls(data, opts && opts.dictionary), -4), { i: 2 }, opts && opts.out, opts && opts.dictionary);
}
function decompressSync(data, opts) {
  return data[0] == 31 && data[1] == 139 && data[2] == 8 ? gunzipSync(data, opts) : (data[0] & 15) != 8 || data[0] >> 4 > 7 || (data[0] << 8 | data[1]) % 31 ? inflateSync(data, opts) : unzlibSync(data, opts);
}
var td = typeof TextDecoder != "undefined" && /* @__PURE__ */ new TextDecoder();
var tds = 0;
try {
  td.decode(et, { stream: true });
  tds = 1;
} catch (e4) {
}

// node_modules/pmtiles/dist/esm/index.js
var j4 = Object.defineProperty;
var S3 = Math.pow;
var d5 = (o5, t5) => j4(o5, "name", { value: t5, configurable: true });
var h5 = (o5, t5, e4) => new Promise((r4, n3) => {
  var s4 = (c4) => {
    try {
      a5(e4.next(c4));
    } catch (l4) {
      n3(l4);
    }
  }, i5 = (c4) => {
    try {
      a5(e4.throw(c4));
    } catch (l4) {
      n3(l4);
    }
  }, a5 = (c4) => c4.done ? r4(c4.value) : Promise.resolve(c4.value).then(s4, i5);
  a5((e4 = e4.apply(o5, t5)).next());
});
var re = d5((o5, t5) => {
  let e4 = false, r4 = "", n3 = L.GridLayer.extend({ createTile: d5((s4, i5) => {
    let a5 = document.createElement("img"), c4 = new AbortController(), l4 = c4.signal;
    return a5.cancel = () => {
      c4.abort();
    }, e4 || (o5.getHeader().then((u4) => {
      u4.tileType === 1 || u4.tileType === 6 ? console.error("Error: archive contains vector tiles, but leafletRasterLayer is for displaying raster tiles. See https://github.com/protomaps/PMTiles/tree/main/js for details.") : u4.tileType === 2 ? r4 = "image/png" : u4.tileType === 3 ? r4 = "image/jpeg" : u4.tileType === 4 ? r4 = "image/webp" : u4.tileType === 5 && (r4 = "image/avif");
    }), e4 = true), o5.getZxy(s4.z, s4.x, s4.y, l4).then((u4) => {
      if (u4) {
        let m5 = new Blob([u4.data], { type: r4 }), g5 = window.URL.createObjectURL(m5);
        a5.src = g5;
      } else a5.style.display = "none";
      a5.cancel = void 0, i5(void 0, a5);
    }).catch((u4) => {
      if (u4.name !== "AbortError") throw u4;
    }), a5;
  }, "createTile"), _removeTile: d5(function(s4) {
    let i5 = this._tiles[s4];
    i5 && (i5.el.cancel && i5.el.cancel(), i5.el.src && window.URL.revokeObjectURL(i5.el.src), i5.el.width = 0, i5.el.height = 0, i5.el.deleted = true, L.DomUtil.remove(i5.el), delete this._tiles[s4], this.fire("tileunload", { tile: i5.el, coords: this._keyToTileCoords(s4) }));
  }, "_removeTile") });
  return new n3(t5);
}, "leafletRasterLayer");
var z4 = d5((o5) => (t5, e4) => {
  if (e4 instanceof AbortController) return o5(t5, e4);
  let r4 = new AbortController();
  return o5(t5, r4).then((n3) => e4(void 0, n3.data, n3.cacheControl || "", n3.expires || ""), (n3) => e4(n3)).catch((n3) => e4(n3)), { cancel: d5(() => r4.abort(), "cancel") };
}, "v3compat");
var A5 = class A6 {
  constructor(t5) {
    this.tilev4 = d5((t6, e4) => h5(this, null, function* () {
      if (t6.type === "json") {
        let g5 = t6.url.substr(10), p5 = this.tiles.get(g5);
        if (p5 || (p5 = new w6(g5), this.tiles.set(g5, p5)), this.metadata) {
          let K4 = yield p5.getTileJson(t6.url);
          return e4.signal.throwIfAborted(), { data: K4 };
        }
        let f5 = yield p5.getHeader();
        return e4.signal.throwIfAborted(), (f5.minLon >= f5.maxLon || f5.minLat >= f5.maxLat) && console.error(`Bounds of PMTiles archive ${f5.minLon},${f5.minLat},${f5.maxLon},${f5.maxLat} are not valid.`), { data: { tiles: [`${t6.url}/{z}/{x}/{y}`], minzoom: f5.minZoom, maxzoom: f5.maxZoom, bounds: [f5.minLon, f5.minLat, f5.maxLon, f5.maxLat] } };
      }
      let r4 = new RegExp(/pmtiles:\/\/(.+)\/(\d+)\/(\d+)\/(\d+)/), n3 = t6.url.match(r4);
      if (!n3) throw new Error("Invalid PMTiles protocol URL");
      let s4 = n3[1], i5 = this.tiles.get(s4);
      i5 || (i5 = new w6(s4), this.tiles.set(s4, i5));
      let a5 = n3[2], c4 = n3[3], l4 = n3[4], u4 = yield i5 == null ? void 0 : i5.getZxy(+a5, +c4, +l4, e4.signal);
      if (e4.signal.throwIfAborted(), u4) return { data: new Uint8Array(u4.data), cacheControl: u4.cacheControl, expires: u4.expires };
      let m5 = yield i5.getHeader();
      if (m5.tileType === 1 || m5.tileType === 6) {
        if (this.errorOnMissingTile) throw new Error("Tile not found.");
        return { data: new Uint8Array() };
      }
      return { data: null };
    }), "tilev4");
    this.tile = z4(this.tilev4);
    this.tiles = /* @__PURE__ */ new Map(), this.metadata = (t5 == null ? void 0 : t5.metadata) || false, this.errorOnMissingTile = (t5 == null ? void 0 : t5.errorOnMissingTile) || false;
  }
  add(t5) {
    this.tiles.set(t5.source.getKey(), t5);
  }
  get(t5) {
    return this.tiles.get(t5);
  }
};
d5(A5, "Protocol");
var B3 = A5;
function b5(o5, t5) {
  return (t5 >>> 0) * 4294967296 + (o5 >>> 0);
}
d5(b5, "toNum");
function N2(o5, t5) {
  let e4 = t5.buf, r4 = e4[t5.pos++], n3 = (r4 & 112) >> 4;
  if (r4 < 128 || (r4 = e4[t5.pos++], n3 |= (r4 & 127) << 3, r4 < 128) || (r4 = e4[t5.pos++], n3 |= (r4 & 127) << 10, r4 < 128) || (r4 = e4[t5.pos++], n3 |= (r4 & 127) << 17, r4 < 128) || (r4 = e4[t5.pos++], n3 |= (r4 & 127) << 24, r4 < 128) || (r4 = e4[t5.pos++], n3 |= (r4 & 1) << 31, r4 < 128)) return b5(o5, n3);
  throw new Error("Expected varint not more than 10 bytes");
}
d5(N2, "readVarintRemainder");
function x6(o5) {
  let t5 = o5.buf, e4 = t5[o5.pos++], r4 = e4 & 127;
  return e4 < 128 || (e4 = t5[o5.pos++], r4 |= (e4 & 127) << 7, e4 < 128) || (e4 = t5[o5.pos++], r4 |= (e4 & 127) << 14, e4 < 128) || (e4 = t5[o5.pos++], r4 |= (e4 & 127) << 21, e4 < 128) ? r4 : (e4 = t5[o5.pos], r4 |= (e4 & 15) << 28, N2(r4, o5));
}
d5(x6, "readVarint");
function I2(o5, t5, e4, r4, n3) {
  return n3 === 0 ? r4 !== 0 ? [o5 - 1 - e4, o5 - 1 - t5] : [e4, t5] : [t5, e4];
}
d5(I2, "rotate");
function q3(o5, t5, e4) {
  if (o5 > 26) throw new Error("Tile zoom level exceeds max safe number limit (26)");
  if (t5 >= 1 << o5 || e4 >= 1 << o5) throw new Error("tile x/y outside zoom level bounds");
  let r4 = ((1 << o5) * (1 << o5) - 1) / 3, n3 = o5 - 1, [s4, i5] = [t5, e4];
  for (let a5 = 1 << n3; a5 > 0; a5 >>= 1) {
    let c4 = s4 & a5, l4 = i5 & a5;
    r4 += (3 * c4 ^ l4) * (1 << n3), [s4, i5] = I2(a5, s4, i5, c4, l4), n3--;
  }
  return r4;
}
d5(q3, "zxyToTileId");
function G3(o5) {
  let t5 = 3 * o5 + 1;
  return t5 < 4294967296 ? 31 - Math.clz32(t5) : 63 - Math.clz32(t5 / 4294967296);
}
d5(G3, "tileIdToZ");
function ie(o5) {
  let t5 = G3(o5) >> 1;
  if (t5 > 26) throw new Error("Tile zoom level exceeds max safe number limit (26)");
  let e4 = ((1 << t5) * (1 << t5) - 1) / 3, r4 = o5 - e4, n3 = 0, s4 = 0, i5 = 1 << t5;
  for (let a5 = 1; a5 < i5; a5 <<= 1) {
    let c4 = a5 & r4 / 2, l4 = a5 & (r4 ^ c4);
    [n3, s4] = I2(a5, n3, s4, c4, l4), r4 = r4 / 2, n3 += c4, s4 += l4;
  }
  return [t5, n3, s4];
}
d5(ie, "tileIdToZxy");
var J3 = ((s4) => (s4[s4.Unknown = 0] = "Unknown", s4[s4.None = 1] = "None", s4[s4.Gzip = 2] = "Gzip", s4[s4.Brotli = 3] = "Brotli", s4[s4.Zstd = 4] = "Zstd", s4))(J3 || {});
function P4(o5, t5) {
  return h5(this, null, function* () {
    if (t5 === 1 || t5 === 0) return o5;
    if (t5 === 2) {
      if (typeof globalThis.DecompressionStream == "undefined") return decompressSync(new Uint8Array(o5));
      let e4 = new Response(o5).body;
      if (!e4) throw new Error("Failed to read response stream");
      let r4 = e4.pipeThrough(new globalThis.DecompressionStream("gzip"));
      return new Response(r4).arrayBuffer();
    }
    throw new Error("Compression method not supported");
  });
}
d5(P4, "defaultDecompress");
var O3 = ((a5) => (a5[a5.Unknown = 0] = "Unknown", a5[a5.Mvt = 1] = "Mvt", a5[a5.Png = 2] = "Png", a5[a5.Jpeg = 3] = "Jpeg", a5[a5.Webp = 4] = "Webp", a5[a5.Avif = 5] = "Avif", a5[a5.Mlt = 6] = "Mlt", a5))(O3 || {});
function _4(o5) {
  return o5 === 1 ? ".mvt" : o5 === 2 ? ".png" : o5 === 3 ? ".jpg" : o5 === 4 ? ".webp" : o5 === 5 ? ".avif" : o5 === 6 ? ".mlt" : "";
}
d5(_4, "tileTypeExt");
var Y2 = 127;
function Q3(o5, t5) {
  let e4 = 0, r4 = o5.length - 1;
  for (; e4 <= r4; ) {
    let n3 = r4 + e4 >> 1, s4 = t5 - o5[n3].tileId;
    if (s4 > 0) e4 = n3 + 1;
    else if (s4 < 0) r4 = n3 - 1;
    else return o5[n3];
  }
  return r4 >= 0 && (o5[r4].runLength === 0 || t5 - o5[r4].tileId < o5[r4].runLength) ? o5[r4] : null;
}
d5(Q3, "findTile");
var T4 = class T5 {
  constructor(t5) {
    this.file = t5;
  }
  getKey() {
    return this.file.name;
  }
  getBytes(t5, e4) {
    return h5(this, null, function* () {
      return { data: yield this.file.slice(t5, t5 + e4).arrayBuffer() };
    });
  }
};
d5(T4, "FileSource");
var D3 = class D4 {
  constructor(t5, e4 = new Headers(), r4 = void 0) {
    var a5, c4;
    this.url = t5, this.customHeaders = e4, this.credentials = r4, this.mustReload = false;
    let n3 = "";
    "navigator" in globalThis && (n3 = (c4 = (a5 = globalThis.navigator) == null ? void 0 : a5.userAgent) != null ? c4 : "");
    let s4 = n3.indexOf("Windows") > -1, i5 = /Chrome|Chromium|Edg|OPR|Brave/.test(n3);
    this.chromeWindowsNoCache = false, s4 && i5 && (this.chromeWindowsNoCache = true);
  }
  getKey() {
    return this.url;
  }
  setHeaders(t5) {
    this.customHeaders = t5;
  }
  getBytes(t5, e4, r4, n3) {
    return h5(this, null, function* () {
      let s4, i5;
      r4 ? i5 = r4 : (s4 = new AbortController(), i5 = s4.signal);
      let a5 = new Headers(this.customHeaders);
      a5.set("range", `bytes=${t5}-${t5 + e4 - 1}`);
      let c4;
      this.mustReload ? c4 = "reload" : this.chromeWindowsNoCache && (c4 = "no-store");
      let l4 = yield fetch(this.url, { signal: i5, cache: c4, headers: a5, credentials: this.credentials });
      if (t5 === 0 && l4.status === 416) {
        let p5 = l4.headers.get("Content-Range");
        if (!p5 || !p5.startsWith("bytes */")) throw new Error("Missing content-length on 416 response");
        let f5 = +p5.substr(8);
        a5.set("range", `bytes=0-${f5 - 1}`), l4 = yield fetch(this.url, { signal: i5, cache: "reload", headers: a5, credentials: this.credentials });
      }
      let u4 = l4.headers.get("Etag");
      if (u4 != null && u4.startsWith("W/") && (u4 = null), l4.status === 416 || n3 && u4 && u4 !== n3) throw this.mustReload = true, new v4(`Server returned non-matching ETag ${n3} after one retry. Check browser extensions and servers for issues that may affect correct ETag headers.`);
      if (l4.status >= 300) throw new Error(`Bad response code: ${l4.status}`);
      let m5 = l4.headers.get("Content-Length");
      if (l4.status === 200 && (!m5 || +m5 > e4)) throw s4 && s4.abort(), new Error("Server returned no content-length header or content-length exceeding request. Check that your storage backend supports HTTP Byte Serving.");
      return { data: yield l4.arrayBuffer(), etag: u4 || void 0, cacheControl: l4.headers.get("Cache-Control") || void 0, expires: l4.headers.get("Expires") || void 0 };
    });
  }
};
d5(D3, "FetchSource");
var E4 = D3;
function y5(o5, t5) {
  let e4 = o5.getUint32(t5 + 4, true), r4 = o5.getUint32(t5 + 0, true);
  return e4 * S3(2, 32) + r4;
}
d5(y5, "getUint64");
function X2(o5, t5) {
  let e4 = new DataView(o5), r4 = e4.getUint8(7);
  if (r4 > 3) throw new Error(`Archive is spec version ${r4} but this library supports up to spec version 3`);
  return { specVersion: r4, rootDirectoryOffset: y5(e4, 8), rootDirectoryLength: y5(e4, 16), jsonMetadataOffset: y5(e4, 24), jsonMetadataLength: y5(e4, 32), leafDirectoryOffset: y5(e4, 40), leafDirectoryLength: y5(e4, 48), tileDataOffset: y5(e4, 56), tileDataLength: y5(e4, 64), numAddressedTiles: y5(e4, 72), numTileEntries: y5(e4, 80), numTileContents: y5(e4, 88), clustered: e4.getUint8(96) === 1, internalCompression: e4.getUint8(97), tileCompression: e4.getUint8(98), tileType: e4.getUint8(99), minZoom: e4.getUint8(100), maxZoom: e4.getUint8(101), minLon: e4.getInt32(102, true) / 1e7, minLat: e4.getInt32(106, true) / 1e7, maxLon: e4.getInt32(110, true) / 1e7, maxLat: e4.getInt32(114, true) / 1e7, centerZoom: e4.getUint8(118), centerLon: e4.getInt32(119, true) / 1e7, centerLat: e4.getInt32(123, true) / 1e7, etag: t5 };
}
d5(X2, "bytesToHeader");
function Z(o5) {
  let t5 = { buf: new Uint8Array(o5), pos: 0 }, e4 = x6(t5), r4 = [], n3 = 0;
  for (let s4 = 0; s4 < e4; s4++) {
    let i5 = x6(t5);
    r4.push({ tileId: n3 + i5, offset: 0, length: 0, runLength: 1 }), n3 += i5;
  }
  for (let s4 = 0; s4 < e4; s4++) r4[s4].runLength = x6(t5);
  for (let s4 = 0; s4 < e4; s4++) r4[s4].length = x6(t5);
  for (let s4 = 0; s4 < e4; s4++) {
    let i5 = x6(t5);
    i5 === 0 && s4 > 0 ? r4[s4].offset = r4[s4 - 1].offset + r4[s4 - 1].length : r4[s4].offset = i5 - 1;
  }
  return r4;
}
d5(Z, "deserializeIndex");
var R3 = class R4 extends Error {
};
d5(R3, "EtagMismatch");
var v4 = R3;
function V2(o5, t5) {
  return h5(this, null, function* () {
    let e4 = yield o5.getBytes(0, 16384);
    if (new DataView(e4.data).getUint16(0, true) !== 19792) throw new Error("Wrong magic number for PMTiles archive");
    let n3 = e4.data.slice(0, Y2), s4 = X2(n3, e4.etag), i5 = e4.data.slice(s4.rootDirectoryOffset, s4.rootDirectoryOffset + s4.rootDirectoryLength), a5 = `${o5.getKey()}|${s4.etag || ""}|${s4.rootDirectoryOffset}|${s4.rootDirectoryLength}`, c4 = Z(yield t5(i5, s4.internalCompression));
    return [s4, [a5, c4.length, c4]];
  });
}
d5(V2, "getHeaderAndRoot");
function F4(o5, t5, e4, r4, n3, s4) {
  return h5(this, null, function* () {
    let i5 = yield o5.getBytes(e4, r4, s4, n3.etag), a5 = yield t5(i5.data, n3.internalCompression), c4 = Z(a5);
    if (c4.length === 0) throw new Error("Empty directory is invalid");
    return c4;
  });
}
d5(F4, "getDirectory");
var U2 = class U3 {
  constructor(t5 = 100, e4 = true, r4 = P4) {
    this.cache = /* @__PURE__ */ new Map(), this.maxCacheEntries = t5, this.counter = 1, this.decompress = r4;
  }
  getHeader(t5) {
    return h5(this, null, function* () {
      let e4 = t5.getKey(), r4 = this.cache.get(e4);
      if (r4) return r4.lastUsed = this.counter++, r4.data;
      let n3 = yield V2(t5, this.decompress);
      return n3[1] && this.cache.set(n3[1][0], { lastUsed: this.counter++, data: n3[1][2] }), this.cache.set(e4, { lastUsed: this.counter++, data: n3[0] }), this.prune(), n3[0];
    });
  }
  getDirectory(t5, e4, r4, n3, s4) {
    return h5(this, null, function* () {
      let i5 = `${t5.getKey()}|${n3.etag || ""}|${e4}|${r4}`, a5 = this.cache.get(i5);
      if (a5) return a5.lastUsed = this.counter++, a5.data;
      let c4 = yield F4(t5, this.decompress, e4, r4, n3, s4);
      return this.cache.set(i5, { lastUsed: this.counter++, data: c4 }), this.prune(), c4;
    });
  }
  prune() {
    if (this.cache.size > this.maxCacheEntries) {
      let t5 = 1 / 0, e4;
      this.cache.forEach((r4, n3) => {
        r4.lastUsed < t5 && (t5 = r4.lastUsed, e4 = n3);
      }), e4 && this.cache.delete(e4);
    }
  }
  invalidate(t5) {
    return h5(this, null, function* () {
      this.cache.delete(t5.getKey());
    });
  }
};
d5(U2, "ResolvedValueCache");
var M3 = class M4 {
  constructor(t5 = 100, e4 = true, r4 = P4) {
    this.cache = /* @__PURE__ */ new Map(), this.invalidations = /* @__PURE__ */ new Map(), this.pendingFetches = /* @__PURE__ */ new Map(), this.maxCacheEntries = t5, this.counter = 1, this.decompress = r4;
  }
  getHeader(t5) {
    return h5(this, null, function* () {
      let e4 = t5.getKey(), r4 = this.cache.get(e4);
      if (r4) return r4.lastUsed = this.counter++, yield r4.data;
      let n3 = new Promise((s4, i5) => {
        V2(t5, this.decompress).then((a5) => {
          a5[1] && this.cache.set(a5[1][0], { lastUsed: this.counter++, data: Promise.resolve(a5[1][2]) }), s4(a5[0]), this.prune();
        }).catch((a5) => {
          i5(a5);
        });
      });
      return this.cache.set(e4, { lastUsed: this.counter++, data: n3 }), n3;
    });
  }
  trackSignal(t5, e4, r4) {
    e4.refs++, r4.addEventListener("abort", () => {
      --e4.refs <= 0 && this.pendingFetches.get(t5) === e4 && (e4.controller.abort(), this.cache.delete(t5), this.pendingFetches.delete(t5));
    }, { once: true });
  }
  getDirectory(t5, e4, r4, n3, s4) {
    return h5(this, null, function* () {
      let i5 = `${t5.getKey()}|${n3.etag || ""}|${e4}|${r4}`, a5 = this.cache.get(i5);
      if (a5) {
        a5.lastUsed = this.counter++;
        let m5 = this.pendingFetches.get(i5);
        return m5 && this.trackSignal(i5, m5, s4 != null ? s4 : new AbortController().signal), yield a5.data;
      }
      let c4 = new AbortController(), l4 = { controller: c4, refs: 0 };
      this.trackSignal(i5, l4, s4 != null ? s4 : new AbortController().signal), this.pendingFetches.set(i5, l4);
      let u4 = new Promise((m5, g5) => {
        F4(t5, this.decompress, e4, r4, n3, c4.signal).then((p5) => {
          this.pendingFetches.delete(i5), m5(p5), this.prune();
        }).catch((p5) => {
          g5(p5);
        });
      });
      return this.cache.set(i5, { lastUsed: this.counter++, data: u4 }), u4;
    });
  }
  prune() {
    if (this.cache.size >= this.maxCacheEntries) {
      let t5 = 1 / 0, e4;
      this.cache.forEach((r4, n3) => {
        r4.lastUsed < t5 && (t5 = r4.lastUsed, e4 = n3);
      }), e4 && this.cache.delete(e4);
    }
  }
  invalidate(t5) {
    return h5(this, null, function* () {
      let e4 = t5.getKey();
      if (this.invalidations.get(e4)) return yield this.invalidations.get(e4);
      this.cache.delete(t5.getKey());
      let r4 = new Promise((n3, s4) => {
        this.getHeader(t5).then((i5) => {
          n3(), this.invalidations.delete(e4);
        }).catch((i5) => {
          s4(i5);
        });
      });
      this.invalidations.set(e4, r4);
    });
  }
};
d5(M3, "SharedPromiseCache");
var C3 = M3;
var H3 = class H4 {
  constructor(t5, e4, r4) {
    typeof t5 == "string" ? this.source = new E4(t5) : this.source = t5, r4 ? this.decompress = r4 : this.decompress = P4, e4 ? this.cache = e4 : this.cache = new C3();
  }
  getHeader() {
    return h5(this, null, function* () {
      return yield this.cache.getHeader(this.source);
    });
  }
  getZxyAttempt(t5, e4, r4, n3) {
    return h5(this, null, function* () {
      let s4 = q3(t5, e4, r4), i5 = yield this.cache.getHeader(this.source);
      if (n3 == null || n3.throwIfAborted(), t5 < i5.minZoom || t5 > i5.maxZoom) return;
      let a5 = i5.rootDirectoryOffset, c4 = i5.rootDirectoryLength;
      for (let l4 = 0; l4 <= 3; l4++) {
        let u4 = yield this.cache.getDirectory(this.source, a5, c4, i5, n3);
        n3 == null || n3.throwIfAborted();
        let m5 = Q3(u4, s4);
        if (m5) {
          if (m5.runLength > 0) {
            let g5 = yield this.source.getBytes(i5.tileDataOffset + m5.offset, m5.length, n3, i5.etag);
            return { data: yield this.decompress(g5.data, i5.tileCompression), cacheControl: g5.cacheControl, expires: g5.expires };
          }
          a5 = i5.leafDirectoryOffset + m5.offset, c4 = m5.length;
        } else return;
      }
      throw new Error("Maximum directory depth exceeded");
    });
  }
  getZxy(t5, e4, r4, n3) {
    return h5(this, null, function* () {
      try {
        return yield this.getZxyAttempt(t5, e4, r4, n3);
      } catch (s4) {
        if (s4 instanceof v4) return this.cache.invalidate(this.source), yield this.getZxyAttempt(t5, e4, r4, n3);
        throw s4;
      }
    });
  }
  getMetadataAttempt() {
    return h5(this, null, function* () {
      let t5 = yield this.cache.getHeader(this.source), e4 = yield this.source.getBytes(t5.jsonMetadataOffset, t5.jsonMetadataLength, void 0, t5.etag), r4 = yield this.decompress(e4.data, t5.internalCompression), n3 = new TextDecoder("utf-8");
      return JSON.parse(n3.decode(r4));
    });
  }
  getMetadata() {
    return h5(this, null, function* () {
      try {
        return yield this.getMetadataAttempt();
      } catch (t5) {
        if (t5 instanceof v4) return this.cache.invalidate(this.source), yield this.getMetadataAttempt();
        throw t5;
      }
    });
  }
  getTileJson(t5) {
    return h5(this, null, function* () {
      let e4 = yield this.getHeader(), r4 = yield this.getMetadata(), n3 = _4(e4.tileType);
      return { tilejson: "3.0.0", scheme: "xyz", tiles: [`${t5}/{z}/{x}/{y}${n3}`], vector_layers: r4.vector_layers, attribution: r4.attribution, description: r4.description, name: r4.name, version: r4.version, bounds: [e4.minLon, e4.minLat, e4.maxLon, e4.maxLat], center: [e4.centerLon, e4.centerLat, e4.centerZoom], minzoom: e4.minZoom, maxzoom: e4.maxZoom };
    });
  }
};
d5(H3, "PMTiles");
var w6 = H3;

// src/map/basemap.ts
var SOURCE = "basemap";
var BELOW = "cells";
function paintLayers(map, some) {
  for (const layer of some) for (const [name, value2] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, name, value2);
}
function layers(of, c4) {
  const first2 = (...names) => names.find((n3) => of.has(n3));
  const out = [];
  const add = (name, layer) => {
    if (name) out.push({ id: `${SOURCE}-${name}`, source: SOURCE, "source-layer": name, ...layer });
  };
  add(first2("earth", "land"), { type: "fill", paint: { "fill-color": c4.land } });
  add(first2("landuse", "landcover"), { type: "fill", paint: { "fill-color": c4.border, "fill-opacity": 0.22 } });
  add(first2("water", "ocean", "water_polygons"), { type: "fill", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": c4.sea } });
  add(first2("buildings", "building"), { type: "fill", minzoom: 13, paint: { "fill-color": c4.border, "fill-opacity": 0.6 } });
  add(first2("roads", "transportation", "streets"), {
    type: "line",
    paint: { "line-color": c4.border, "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 5, 0.4, 16, 5] }
  });
  add(first2("boundaries", "boundary"), { type: "line", paint: { "line-color": c4.coast, "line-width": 0.8, "line-dasharray": [3, 2] } });
  add(first2("places", "place", "place_labels"), {
    type: "symbol",
    layout: { "text-font": ["sans-serif"], "text-field": ["coalesce", ["get", "name"], ["get", "name:en"], ""], "text-size": 12, "text-max-width": 8 },
    paint: { "text-color": c4.label, "text-halo-color": c4.halo, "text-halo-width": 1.2 }
  });
  return out;
}
async function addBasemap(gl, map, c4) {
  const url = new URL("/basemap.pmtiles", location.href).href;
  const file = new w6(url);
  const protocol = new B3();
  protocol.add(file);
  gl.addProtocol("pmtiles", protocol.tile);
  const [header, metadata] = [await file.getHeader(), await file.getMetadata()];
  const vector = header.tileType === O3.Mvt;
  map.addSource(SOURCE, { type: vector ? "vector" : "raster", url: `pmtiles://${url}`, ...!vector && { tileSize: 256 } });
  const names = new Set(metadata.vector_layers?.map((l4) => l4.id));
  const made2 = vector ? layers(names, c4) : [{ id: SOURCE, type: "raster", source: SOURCE }];
  for (const layer of made2) map.addLayer(layer, layer.type === "symbol" ? "limit-fill" : BELOW);
  if (made2.some((l4) => l4.type === "symbol")) map.setLayoutProperty("names", "visibility", "none");
  const said2 = new DOMParser().parseFromString(metadata.attribution ?? "", "text/html");
  return {
    said: said2.body.textContent?.trim() || "basemap.pmtiles",
    repaint: (now) => vector && paintLayers(map, layers(names, now))
  };
}

// src/map/ground.ts
var vendored = (name) => define_VENDORED_default[name] ?? `/static/vendor/${name}`;
var feature = (geometry) => ({ type: "Feature", properties: {}, geometry });
function onEdge(a5, b6) {
  const [x7, y6] = [a5[0] ?? 0, b6[0] ?? 0];
  return Math.abs(x7) > 179.9 && Math.abs(y6) > 179.9 || Math.abs(a5[1] ?? 0) > 89.5 && Math.abs(b6[1] ?? 0) > 89.5;
}
function coast(land) {
  const lines = [];
  for (const points of land.flat()) {
    let line = [];
    points.forEach((p5, i5) => {
      const before = points[i5 - 1];
      if (before && onEdge(before, p5)) {
        if (line.length > 1) lines.push(line);
        line = [];
      }
      line.push(p5);
    });
    if (line.length > 1) lines.push(line);
  }
  return lines;
}
function made(land, borders, names) {
  return {
    land: feature({ type: "MultiPolygon", coordinates: land }),
    coast: feature({ type: "MultiLineString", coordinates: coast(land) }),
    borders: feature({ type: "MultiLineString", coordinates: borders }),
    names
  };
}
async function earth(fine) {
  const atlas = await get(vendored(fine ? "earth-50m.json" : "earth-110m.json"));
  const names = atlas.names.map((n3) => ({ ...n3, at: [n3.at[1], n3.at[0]] }));
  return made(atlas.land, atlas.borders, names);
}
function polygons(of) {
  if (of.type === "FeatureCollection") return of.features.flatMap(polygons);
  if (of.type === "Feature") return polygons(of.geometry);
  if (of.type === "MultiPolygon") return of.coordinates;
  return of.type === "Polygon" ? [of.coordinates] : [];
}
async function planet() {
  return made(polygons(await get("outline.json")), [], []);
}
function labels(ground) {
  return {
    type: "FeatureCollection",
    features: ground.names.map((n3) => ({
      type: "Feature",
      properties: { name: country(n3.id, n3.name), size: n3.size },
      geometry: { type: "Point", coordinates: [n3.at[1], n3.at[0]] }
    }))
  };
}

// src/map/shapes.ts
var RADIUS_KM = 6371.0088;
var radians = (d6) => d6 * Math.PI / 180;
var degrees = (r4) => r4 * 180 / Math.PI;
function collection(features) {
  return { type: "FeatureCollection", features };
}
function point(at, properties = {}) {
  return { type: "Feature", properties, geometry: { type: "Point", coordinates: [at[1], at[0]] } };
}
function box([west, south, east, north]) {
  const right = east < west ? east + 360 : east;
  const ring = [[west, south], [right, south], [right, north], [west, north], [west, south]];
  return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } };
}
function kilometres(a5, b6) {
  const [dy, dx] = [radians(b6[0] - a5[0]), radians(b6[1] - a5[1])];
  const h6 = Math.sin(dy / 2) ** 2 + Math.cos(radians(a5[0])) * Math.cos(radians(b6[0])) * Math.sin(dx / 2) ** 2;
  return 2 * RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h6)));
}
function circle({ at, km }) {
  const [latitude, longitude] = [radians(at[0]), radians(at[1])];
  const angle = km / RADIUS_KM;
  const ring = Array.from({ length: 97 }, (_5, i5) => {
    const bearing = i5 * 2 * Math.PI / 96;
    const y6 = Math.asin(Math.sin(latitude) * Math.cos(angle) + Math.cos(latitude) * Math.sin(angle) * Math.cos(bearing));
    const x7 = longitude + Math.atan2(Math.sin(bearing) * Math.sin(angle) * Math.cos(latitude), Math.cos(angle) - Math.sin(latitude) * Math.sin(y6));
    return [degrees(x7), degrees(y6)];
  });
  return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } };
}
function corners(of, out) {
  if (Array.isArray(of) && typeof of[0] === "number") out.push(of);
  else if (Array.isArray(of)) for (const part2 of of) corners(part2, out);
}
function around(features) {
  const all = [];
  for (const f5 of features) if (f5.geometry && "coordinates" in f5.geometry) corners(f5.geometry.coordinates, all);
  if (!all.length) return null;
  const y6 = all.map((c4) => c4[1]).sort((a5, b6) => a5 - b6);
  const x7 = all.map((c4) => wrapped(c4[0])).sort((a5, b6) => a5 - b6);
  const [first2, last] = [x7[0], x7.at(-1)];
  let [west, east, widest] = [first2, last, first2 + 360 - last];
  for (let i5 = 1; i5 < x7.length; i5++) {
    const [a5, b6] = [x7[i5 - 1], x7[i5]];
    if (b6 - a5 > widest) [west, east, widest] = [b6, a5 + 360, b6 - a5];
  }
  return [west, y6[0], east, y6.at(-1)];
}
var wrapped = (longitude) => ((longitude + 180) % 360 + 360) % 360 - 180;
function tidy([west, south, east, north]) {
  const round = (v5) => Number(v5.toFixed(4));
  const [low, high] = [Math.max(-90, south), Math.min(90, north)];
  if (east - west >= 360) return [-180, round(low), 180, round(high)];
  return [round(wrapped(west)), round(low), round(wrapped(east)), round(high)];
}

// src/map/draw.ts
function hasWebGl2() {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}
var EMPTY = collection([]);
var HITS = ["hit-boxes", "hit-dots"];
var CLOSE = 2.6;
function style(c4) {
  const data = (d6 = EMPTY) => ({ type: "geojson", data: d6, tolerance: 0.2 });
  const kind = ["case", ["get", "completed"], c4.completed, c4.observed];
  const font = { "text-font": ["sans-serif"] };
  return {
    version: 8,
    sources: {
      land: data(),
      coast: data(),
      borders: data(),
      names: data(),
      density: data(),
      cells: data(),
      hits: data(),
      limits: data(),
      asked: data(),
      pointed: data()
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": c4.sea } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": c4.land, "fill-antialias": false } },
      {
        id: "cells",
        type: "fill",
        source: "cells",
        paint: {
          "fill-color": ["interpolate", ["linear"], ["get", "share"], ...SCALE.flatMap((s4, i5) => [i5 / (SCALE.length - 1), s4])],
          "fill-opacity": ["case", ["get", "extrapolated"], 0.35, 0.85],
          "fill-antialias": false
        }
      },
      {
        id: "density",
        type: "fill",
        source: "density",
        paint: {
          "fill-color": ["interpolate", ["linear"], ["get", "share"], ...c4.counts.flatMap((s4, i5) => [i5 / (c4.counts.length - 1), s4])],
          "fill-opacity": 0.8,
          "fill-antialias": false
        }
      },
      { id: "coast", type: "line", source: "coast", paint: { "line-color": c4.coast, "line-width": 0.8 } },
      { id: "borders", type: "line", source: "borders", paint: { "line-color": c4.border, "line-width": 0.6, "line-dasharray": [3, 2] } },
      {
        id: "names",
        type: "symbol",
        source: "names",
        filter: [">", ["get", "size"], ["step", ["zoom"], 700, 1, 250, 2, 60, 3, 12, 4, 2, 5, 0]],
        layout: { ...font, "text-field": ["get", "name"], "text-size": 11, "text-max-width": 7, "symbol-sort-key": ["-", 0, ["get", "size"]] },
        paint: { "text-color": c4.label, "text-halo-color": c4.halo, "text-halo-width": 1.2 }
      },
      { id: "limit-fill", type: "fill", source: "limits", paint: { "fill-color": c4.observed, "fill-opacity": 0.08 } },
      { id: "limit-line", type: "line", source: "limits", paint: { "line-color": c4.observed, "line-width": 1.6, "line-dasharray": [4, 2] } },
      { id: "hit-boxes", type: "fill", source: "hits", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": kind, "fill-opacity": 0.28 } },
      { id: "hit-box-lines", type: "line", source: "hits", filter: ["==", ["geometry-type"], "Polygon"], paint: { "line-color": kind, "line-width": 1 } },
      {
        id: "hit-dots",
        type: "circle",
        source: "hits",
        filter: ["==", ["geometry-type"], "Point"],
        layout: { "circle-sort-key": ["-", 0, ["get", "rank"]] },
        paint: {
          "circle-color": kind,
          "circle-stroke-color": c4.edge,
          "circle-stroke-width": 1.2,
          "circle-radius": ["case", ["<=", ["get", "rank"], 24], 8, 4.5],
          "circle-opacity": ["case", ["<=", ["get", "rank"], 24], 1, 0.75]
        }
      },
      {
        id: "hit-ranks",
        type: "symbol",
        source: "hits",
        filter: ["<=", ["get", "rank"], 24],
        layout: { ...font, "text-field": ["to-string", ["get", "rank"]], "text-size": 10, "symbol-sort-key": ["get", "rank"], "text-padding": 1 },
        paint: { "text-color": c4.on }
      },
      { id: "pointed-box", type: "line", source: "pointed", filter: ["==", ["geometry-type"], "Polygon"], paint: { "line-color": c4.asked, "line-width": 2.5 } },
      { id: "pointed", type: "circle", source: "pointed", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 11, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": c4.asked, "circle-stroke-width": 2.5 } },
      { id: "asked", type: "circle", source: "asked", paint: { "circle-radius": 7, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": c4.asked, "circle-stroke-width": 2.5 } },
      { id: "asked-dot", type: "circle", source: "asked", paint: { "circle-radius": 2.2, "circle-color": c4.asked } }
    ]
  };
}
async function draw(into, own, camera2, title2, told2) {
  const url = vendored("maplibre-gl.mjs");
  const gl = await import(url);
  gl.setWorkerUrl(new URL(vendored("maplibre-gl-worker.mjs"), location.href).href);
  const [longitude, latitude, zoom] = (camera2 ?? "").split(",").map(Number);
  const known2 = camera2 !== null && [longitude, latitude, zoom].every((v5) => Number.isFinite(v5));
  const map = new gl.Map({
    container: into,
    style: style(colours()),
    center: known2 ? [longitude, latitude] : [0, 15],
    zoom: known2 ? zoom : 0.4,
    minZoom: -1,
    maxZoom: 16,
    attributionControl: false,
    locale: { "Map.Title": title2 },
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    fadeDuration: 0,
    trackResize: true,
    // the whole Earth fits into a tall map too, with sea beyond the poles
    transformConstrain: (at, to) => ({ center: new gl.LngLat(at.lng, Math.max(-85, Math.min(85, at.lat))), zoom: Math.max(-1, to) })
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  await new Promise((resolve) => map.loaded() ? resolve() : map.once("load", () => resolve()));
  const set = (name, features) => map.getSource(name)?.setData(features);
  let ground = null;
  function lay(next) {
    ground = next;
    set("land", next.land);
    set("coast", next.coast);
    set("borders", next.borders);
    set("names", labels(next));
  }
  let fine = own;
  async function closer() {
    if (fine || map.getZoom() < CLOSE) return;
    fine = true;
    lay(await earth(true));
  }
  void (own ? planet() : earth(false)).then(lay, () => void 0).then(closer);
  function report(byHand) {
    const b6 = map.getBounds();
    const at = map.getCenter();
    told2.moved([b6.getWest(), b6.getSouth(), b6.getEast(), b6.getNorth()], `${at.lng.toFixed(3)},${at.lat.toFixed(3)},${map.getZoom().toFixed(2)}`, byHand);
  }
  map.on("moveend", (e4) => {
    report("originalEvent" in e4 && !!e4.originalEvent);
    void closer();
  });
  let below = null;
  let drawing = false;
  const rowAt = (e4) => {
    const found = drawing ? [] : map.queryRenderedFeatures(e4.point, { layers: HITS });
    const best = found.sort((a5, b6) => Number(a5.properties.rank) - Number(b6.properties.rank))[0];
    return best ? Number(best.properties.row) : null;
  };
  map.on("mousemove", (e4) => {
    const row = rowAt(e4);
    if (!drawing) map.getCanvas().style.cursor = row === null ? "" : "pointer";
    told2.over(row, [e4.point.x, e4.point.y]);
  });
  map.on("mouseout", () => told2.over(null, [0, 0]));
  map.on("click", (e4) => {
    const row = rowAt(e4);
    if (row !== null) told2.chose(row);
  });
  map.on("resize", () => told2.resized());
  report(false);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  return {
    setHits: (f5) => set("hits", f5),
    setPointed: (f5) => set("pointed", collection(f5 ? [f5] : [])),
    setAsked: (f5) => set("asked", f5),
    setLimits: (f5) => set("limits", f5),
    setCells: (f5) => set("cells", f5),
    setDensity: (f5) => set("density", f5),
    fit(to) {
      const move2 = { animate: !still.matches, duration: 500 };
      const [west, south, east, north] = to ?? [-180, -60, 180, 80];
      const whole = Math.log2(map.getContainer().clientWidth / 512);
      if (east - west > 250) map.easeTo({ center: [0, Math.max(-30, Math.min(30, (south + north) / 2))], zoom: whole, ...move2 });
      else map.fitBounds([west, south, east, north], { padding: 42, maxZoom: 7, ...move2 });
    },
    zoom: (by) => void map.zoomTo(map.getZoom() + by, { animate: !still.matches, duration: 250 }),
    drawing(on) {
      drawing = on;
      map.getCanvas().style.cursor = on ? "crosshair" : "";
      for (const handler of [map.dragPan, map.doubleClickZoom, map.boxZoom]) on ? handler.disable() : handler.enable();
    },
    async basemap() {
      below = await addBasemap(gl, map, colours());
      below.repaint(colours());
      return below.said;
    },
    at(x7, y6) {
      const p5 = map.unproject([x7, y6]);
      return [Math.max(-90, Math.min(90, p5.lat)), p5.lng];
    },
    canvas: map.getCanvas(),
    repaint(named) {
      paintLayers(map, style(colours()).layers);
      below?.repaint(colours());
      map.getCanvas().setAttribute("aria-label", named);
      if (ground) set("names", labels(ground));
    },
    destroy: () => map.remove()
  };
}

// src/map/layers.ts
var NONE = collection([]);
function cell(row, properties) {
  return { ...box(row.slice(0, 4)), properties };
}
var mapHits = y3(NONE);
var density = y3(NONE);
var rangeCells = y3(NONE);
var range = y3(null);
var ranging = y3(false);
var credit = y3("");
async function fetchHits(signal) {
  const found = answer.value;
  if (!found?.ranked) {
    mapHits.value = NONE;
    return;
  }
  try {
    const all = await get(`searches/${found.id}/map`, signal);
    mapHits.value = collection(all.features.filter((f5) => f5.geometry !== null));
  } catch (error) {
    if (!(error instanceof Refusal) && !signal.aborted) throw error;
  }
}
async function fetchDensity(signal) {
  try {
    const found = await get("density/0/0/0", signal);
    const count = found.columns.indexOf("count");
    const most = Math.log1p(found.cells.reduce((m5, c4) => Math.max(m5, c4[count] ?? 0), 1));
    density.value = collection(found.cells.map((c4) => cell(c4, { share: Math.log1p(c4[count] ?? 0) / most })));
  } catch (error) {
    if (!(error instanceof Refusal) && !signal.aborted) throw error;
  }
}
async function fetchRange(within) {
  const found = answer.value;
  if (!found || ranging.value) return;
  ranging.value = true;
  try {
    const made2 = await get(address(`${BASE}/searches/${found.id}/range`, { cells: 4e3, bbox: within?.join(",") }));
    if (answer.value?.id !== found.id) return;
    const [similarity, extrapolation] = [made2.columns.indexOf("similarity"), made2.columns.indexOf("extrapolation")];
    const cells = made2.cells.filter((c4) => c4[similarity] !== null);
    const every = cells.map((c4) => c4[similarity]);
    const low = every.reduce((m5, v5) => Math.min(m5, v5), Number.POSITIVE_INFINITY);
    const high = every.reduce((m5, v5) => Math.max(m5, v5), Number.NEGATIVE_INFINITY);
    const outside = (c4) => (c4[extrapolation] ?? 0) > made2.extrapolated_above;
    rangeCells.value = collection(
      cells.map((c4) => cell(c4, { share: high > low ? (c4[similarity] - low) / (high - low) : 0, extrapolated: outside(c4) }))
    );
    range.value = { search: found.id, low, high, cells: cells.length, extrapolated: cells.filter(outside).length, notes: made2.sentences, said: made2.said };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tell(`${t4("range.refused")} ${refusalSaid(error)}`);
  } finally {
    ranging.value = false;
  }
}
function dropRange() {
  range.value = null;
  rangeCells.value = NONE;
}

// src/parts/flatmap.tsx
var WIDTH = 440;
var HEIGHT = 220;
var WORLD = [-180, -90, 180, 90];
function shaped(to) {
  if (!to) return WORLD;
  const [x7, y6] = [(to[0] + to[2]) / 2, (to[1] + to[3]) / 2];
  const tall = Math.min(180, Math.max(0.5, (to[3] - to[1]) * 1.3, (to[2] - to[0]) * 1.3 * HEIGHT / WIDTH));
  const wide = tall * WIDTH / HEIGHT;
  const south = Math.max(-90, Math.min(90 - tall, y6 - tall / 2));
  const west = wide < 360 ? x7 - wide / 2 : -180;
  return [west, south, west + wide, south + tall];
}
function FlatMap() {
  const seen = useSignal(WORLD);
  const from = T2(null);
  const picture = T2(null);
  A2(() => {
    const some = answer.value ? [...mapHits.value.features, ...askedPlaces().features] : density.value.features;
    seen.value = shaped(around(some));
  }, [mapHits.value, density.value, answer.value?.id]);
  A2(() => void (view.value = tidy(seen.value)), [seen.value]);
  function at(e4) {
    const rect = picture.current.getBoundingClientRect();
    const [west, south, east, north] = seen.value;
    return [north - (e4.clientY - rect.top) / rect.height * (north - south), west + (e4.clientX - rect.left) / rect.width * (east - west)];
  }
  function nearest(place2) {
    const reach = (seen.value[3] - seen.value[1]) * 111 * 0.04;
    const points = mapHits.value.features.flatMap(
      (f5) => f5.geometry.type === "Point" ? [{ row: Number(f5.properties?.row), km: kilometres(place2, [f5.geometry.coordinates[1], f5.geometry.coordinates[0]]) }] : []
    );
    const found = points.sort((a5, b6) => a5.km - b6.km)[0];
    if (found && found.km < reach) goToCard(found.row);
  }
  function zoom(by) {
    const [west, south, east, north] = seen.value;
    const [x7, y6, tall] = [(west + east) / 2, (south + north) / 2, (north - south) / by / 1.3];
    seen.value = shaped([x7 - tall, y6 - tall / 2, x7 + tall, y6 + tall / 2]);
  }
  function go(dx, dy) {
    const [west, south, east, north] = seen.value;
    const [w7, h6] = [(east - west) * 0.4 * dx, (north - south) * 0.4 * dy];
    const moved = [west + w7, south + h6, east + w7, north + h6];
    const across2 = dx !== 0 && east - west < 360;
    if (across2 || dy !== 0 && moved[1] >= -90.01 && moved[3] <= 90.01) seen.value = moved;
  }
  repainted.value;
  const url = address("/map.svg", {
    search: answer.value?.id,
    bbox: tidy(seen.value).join(","),
    width: WIDTH,
    height: HEIGHT,
    palette: isDark() ? "dark" : "light"
  });
  return /* @__PURE__ */ a3("div", { class: "sheet flat", children: [
    /* @__PURE__ */ a3(
      "img",
      {
        ref: picture,
        class: tool.value === "move" ? "" : "drawing",
        src: url,
        width: WIDTH,
        height: HEIGHT,
        alt: t4("map.picture", { n: mapHits.value.features.length }),
        draggable: false,
        onPointerDown: (e4) => from.current = at(e4),
        onPointerUp: (e4) => {
          const to = at(e4);
          if (tool.value === "move") nearest(to);
          else if (from.current) drawn(tool.value, from.current, to);
          from.current = null;
        }
      }
    ),
    /* @__PURE__ */ a3("div", { class: "row", children: [
      /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => zoom(2), children: t4("map.in") }),
      /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => zoom(0.5), children: t4("map.out") }),
      [["west", -1, 0], ["east", 1, 0], ["north", 0, 1], ["south", 0, -1]].map(([side, dx, dy]) => /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => go(dx, dy), children: t4(`map.${side}`) }, side)),
      /* @__PURE__ */ a3("span", { class: "soft small", children: t4("map.flat", { n: asked.value.parts.length }) })
    ] })
  ] });
}

// src/parts/map.tsx
var TOOLS = [["move", "move"], ["pick", "pick"], ["box", "box"], ["circle", "circle"]];
function askedPlaces() {
  return collection(asked.value.parts.flatMap((p5) => p5.kind === "place" ? [point(p5.at)] : []));
}
function drawn(which, from, to) {
  const [a5, b6] = [{ y: from[0], x: from[1] }, { y: to[0], x: to[1] }];
  if (which === "pick") addPart({ kind: "place", at: [Number(b6.y.toFixed(5)), Number(wrapped(b6.x).toFixed(5))] });
  else if (which === "box") filterBy({ bbox: tidy([Math.min(a5.x, b6.x), Math.min(a5.y, b6.y), Math.max(a5.x, b6.x), Math.max(a5.y, b6.y)]), near: null });
  else if (which === "circle") {
    const km = Number(kilometres(from, to).toPrecision(4));
    if (km > 0) filterBy({ near: { at: [Number(a5.y.toFixed(5)), Number(wrapped(a5.x).toFixed(5))], km }, bbox: null });
  }
  tool.value = "move";
}
function goToCard(row) {
  const at = sorted.value.findIndex((h6) => h6.row === row);
  if (at < 0) return;
  if (at >= shown.value) shown.value = Math.ceil((at + 1) / 24) * 24;
  pointed.value = row;
  requestAnimationFrame(() => {
    const card = document.querySelector(`.card[data-row="${row}"]`);
    card?.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    card?.querySelector("button.open")?.focus({ preventScroll: true });
  });
}
function MapPane() {
  const flat = T2(!hasWebGl2());
  const made2 = useSignal(null);
  const failed = useSignal(false);
  const wanted = useSignal(matchMedia("(min-width: 1000px)").matches);
  if (pane.value === "map") wanted.value = true;
  A2(() => {
    const wide = matchMedia("(min-width: 1000px)");
    const widened = () => wanted.value ||= wide.matches;
    wide.addEventListener("change", widened);
    return () => wide.removeEventListener("change", widened);
  }, []);
  A2(() => {
    const asking = new AbortController();
    dropRange();
    void (answer.value ? fetchHits(asking.signal) : fetchDensity(asking.signal));
    if (!answer.value) mapHits.value = collection([]);
    return () => asking.abort();
  }, [answer.value?.id, index.value?.generation]);
  return /* @__PURE__ */ a3("section", { class: "map", "aria-labelledby": "map-title", children: [
    /* @__PURE__ */ a3("h2", { id: "map-title", class: "hidden", children: t4("map.title") }),
    /* @__PURE__ */ a3(Tools, {}),
    !wanted.value ? null : flat.current || failed.value ? /* @__PURE__ */ a3(FlatMap, {}) : /* @__PURE__ */ a3(GlMapView, { made: made2, failed }),
    /* @__PURE__ */ a3(Legend, { counts: !flat.current && !failed.value })
  ] });
}
function Tools() {
  return /* @__PURE__ */ a3("div", { class: "toolbar", role: "toolbar", "aria-label": t4("map.tools"), children: [
    TOOLS.map(([name, icon2]) => /* @__PURE__ */ a3("button", { type: "button", "aria-pressed": tool.value === name, title: t4(`tool.${name}.why`), onClick: () => tool.value = tool.value === name ? "move" : name, children: [
      /* @__PURE__ */ a3(Icon, { name: icon2, size: 15 }),
      /* @__PURE__ */ a3("span", { children: t4(`tool.${name}`) })
    ] }, name)),
    isAsked() && answer.value && index.value?.allows?.ranges !== false && /* @__PURE__ */ a3(
      "button",
      {
        type: "button",
        "aria-pressed": range.value !== null,
        "aria-busy": ranging.value,
        title: t4("range.why"),
        onClick: () => range.value ? dropRange() : void fetchRange(asked.value.filter.bbox),
        children: [
          /* @__PURE__ */ a3(Icon, { name: "layers", size: 15 }),
          /* @__PURE__ */ a3("span", { children: ranging.value ? t4("range.busy") : t4("range") })
        ]
      }
    ),
    tool.value !== "move" && /* @__PURE__ */ a3("p", { class: "hint", role: "status", children: t4(`tool.${tool.value}.how`) })
  ] });
}
function Zooms({ made: made2 }) {
  const fits = () => made2.fit(answer.value ? around([...mapHits.value.features, ...askedPlaces().features]) : around(density.value.features));
  return /* @__PURE__ */ a3("div", { class: "zooms", children: [
    /* @__PURE__ */ a3("button", { type: "button", title: t4("map.in"), onClick: () => made2.zoom(1), children: [
      /* @__PURE__ */ a3(Icon, { name: "plus", size: 15 }),
      /* @__PURE__ */ a3("span", { class: "hidden", children: t4("map.in") })
    ] }),
    /* @__PURE__ */ a3("button", { type: "button", title: t4("map.out"), onClick: () => made2.zoom(-1), children: [
      /* @__PURE__ */ a3(Icon, { name: "minus", size: 15 }),
      /* @__PURE__ */ a3("span", { class: "hidden", children: t4("map.out") })
    ] }),
    /* @__PURE__ */ a3("button", { type: "button", title: t4("map.fit"), onClick: fits, children: [
      /* @__PURE__ */ a3(Icon, { name: "fit", size: 15 }),
      /* @__PURE__ */ a3("span", { class: "hidden", children: t4("map.fit") })
    ] })
  ] });
}
function GlMapView({ made: made2, failed }) {
  const into = T2(null);
  const tip = useSignal(null);
  const byHand = T2(readCamera() !== null);
  const refit = T2(() => void 0);
  A2(() => {
    let gone = false;
    const listener = {
      moved(next, camera2, hand) {
        view.value = tidy(next);
        if (!hand) return;
        byHand.current = true;
        keepCamera(camera2);
      },
      over(row, at) {
        tip.value = row === null ? null : { row, at };
        if (row !== null || pointed.value !== null) pointed.value = row;
      },
      chose: goToCard,
      resized: () => refit.current()
    };
    draw(into.current, index.value?.outline === "planet", readCamera(), t4("map.region"), listener).then(
      (map2) => {
        if (gone) map2.destroy();
        else made2.value = map2;
        if (!gone && index.value?.allows?.basemap)
          map2.basemap().then(
            (said2) => credit.value = said2,
            (error) => tell(`${t4("map.basemap.fails")} ${english(error.message)}`)
          );
      },
      () => failed.value = true
    );
    return () => {
      gone = true;
      made2.value?.destroy();
      made2.value = null;
    };
  }, []);
  const map = made2.value;
  A2(() => map?.repaint(t4("map.region")), [map, language.value, repainted.value]);
  A2(() => map?.setCells(rangeCells.value), [map, rangeCells.value]);
  A2(() => map?.setDensity(answer.value ? collection([]) : density.value), [map, density.value, answer.value === null]);
  A2(() => map?.setAsked(askedPlaces()), [map, asked.value.parts]);
  const { bbox, near } = asked.value.filter;
  A2(() => map?.setLimits(collection([...bbox ? [box(bbox)] : [], ...near ? [circle(near)] : []])), [map, bbox, near]);
  refit.current = () => {
    const some = answer.value ? [...mapHits.value.features, ...askedPlaces().features] : density.value.features;
    if (map && !byHand.current && some.length) map.fit(around(some));
  };
  A2(() => {
    map?.setHits(mapHits.value);
    refit.current();
  }, [map, mapHits.value, density.value]);
  A2(() => {
    map?.setPointed(mapHits.value.features.find((f5) => f5.properties?.row === pointed.value) ?? null);
  }, [map, pointed.value, mapHits.value]);
  useDrawing(map);
  const hit = tip.value && hits.value.find((h6) => h6.row === tip.value?.row);
  return /* @__PURE__ */ a3("div", { class: "sheet", children: [
    map && /* @__PURE__ */ a3(Zooms, { made: map }),
    /* @__PURE__ */ a3("div", { class: "gl", ref: into }),
    hit && tip.value && /* @__PURE__ */ a3("div", { class: "tip", style: { left: `${tip.value.at[0]}px`, top: `${tip.value.at[1]}px` }, "aria-hidden": "true", children: [
      number(hit.rank),
      " · ",
      /* @__PURE__ */ a3("span", { class: "latin", children: nameOf(hit) })
    ] })
  ] });
}
function useDrawing(map) {
  const which = tool.value;
  A2(() => {
    if (!map) return;
    map.drawing(which !== "move");
    if (which === "move") return;
    said.value = t4(`tool.${which}.how`);
    const canvas = map.canvas;
    let from = null;
    const at = (e4) => {
      const rect = canvas.getBoundingClientRect();
      return map.at(e4.clientX - rect.left, e4.clientY - rect.top);
    };
    const down = (e4) => {
      from = at(e4);
      canvas.setPointerCapture(e4.pointerId);
      e4.preventDefault();
    };
    const move2 = (e4) => {
      if (!from || which === "pick") return;
      const to = at(e4);
      const shape = which === "box" ? box([Math.min(from[1], to[1]), Math.min(from[0], to[0]), Math.max(from[1], to[1]), Math.max(from[0], to[0])]) : circle({ at: from, km: kilometres(from, to) });
      map.setLimits(collection([shape]));
    };
    const up = (e4) => {
      if (from) drawn(which, from, at(e4));
      from = null;
    };
    canvas.addEventListener("pointerdown", down);
    canvas.addEventListener("pointermove", move2);
    canvas.addEventListener("pointerup", up);
    return () => {
      canvas.removeEventListener("pointerdown", down);
      canvas.removeEventListener("pointermove", move2);
      canvas.removeEventListener("pointerup", up);
    };
  }, [map, which]);
}
function Swatches({ of }) {
  return /* @__PURE__ */ a3("svg", { width: of.length * 20, height: "10", "aria-hidden": "true", children: of.map((c4, i5) => /* @__PURE__ */ a3("rect", { x: i5 * 20, y: "0", width: "20", height: "10", fill: c4 }, c4)) });
}
function Legend({ counts }) {
  repainted.value;
  const some = range.value;
  return /* @__PURE__ */ a3("div", { class: "legend", children: [
    answer.value && hits.value.length > 0 && /* @__PURE__ */ a3("p", { children: [
      /* @__PURE__ */ a3("i", { class: "dot observed" }),
      " ",
      t4("card.observed"),
      " ",
      /* @__PURE__ */ a3("i", { class: "dot completed" }),
      " ",
      t4("card.completed"),
      mapHits.value.features.length < hits.value.length && /* @__PURE__ */ a3("span", { class: "soft", children: [
        " · ",
        t4("map.placeless", { n: hits.value.length - mapHits.value.features.length })
      ] })
    ] }),
    !answer.value && counts && density.value.features.length > 0 && /* @__PURE__ */ a3("p", { class: "soft", children: [
      t4("map.density"),
      " ",
      t4("map.few"),
      " ",
      /* @__PURE__ */ a3(Swatches, { of: colours().counts }),
      " ",
      t4("map.many")
    ] }),
    some && /* @__PURE__ */ a3("div", { class: "scale", children: [
      /* @__PURE__ */ a3("span", { children: number(some.low, 2) }),
      /* @__PURE__ */ a3(Swatches, { of: SCALE }),
      /* @__PURE__ */ a3("span", { children: number(some.high, 2) }),
      /* @__PURE__ */ a3("span", { children: t4("range.legend", { n: some.cells }) }),
      some.extrapolated > 0 && /* @__PURE__ */ a3("span", { class: "soft", children: t4("range.outside", { n: some.extrapolated }) }),
      some.notes.map((n3) => /* @__PURE__ */ a3("span", { class: "soft", children: /* @__PURE__ */ a3(Mixed, { text: sentence(n3, some.said) }) }, n3))
    ] }),
    /* @__PURE__ */ a3("p", { class: "soft small", children: index.value?.outline === "planet" ? t4("map.planet") : ["Natural Earth", credit.value].filter(Boolean).join(" · ") })
  ] });
}

// src/parts/newer.tsx
var EVERY_MS = 3e4;
function Newer() {
  A2(() => {
    const look = () => document.visibilityState === "visible" && void openIndex();
    const timer = setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  const [now, found] = [index.value, answer.value];
  const newer = now && found && !busy.value && found.generation < now.generation;
  return /* @__PURE__ */ a3("div", { role: "status", "aria-live": "polite", "aria-atomic": "true", children: newer && /* @__PURE__ */ a3("div", { class: "banner", children: [
    /* @__PURE__ */ a3("p", { children: t4("index.newer") }),
    /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => ask({}, { replace: true }), children: t4("index.again") })
  ] }) });
}

// src/parts/exports.tsx
var FORMATS = ["csv", "geojson", "gpkg", "geoparquet", "parquet", "dwca", "species"];
function ExportMenu({ marked = false }) {
  const found = answer.value;
  if (!found || !hits.value.length) return null;
  if (marked && !markedRows.value.length) return null;
  return /* @__PURE__ */ a3(Menu, { label: marked ? t4("export.marked") : t4("export"), icon: "save", children: [
    FORMATS.map((format) => /* @__PURE__ */ a3(
      "a",
      {
        href: address(`${BASE}/searches/${found.id}/export`, { format, rows: marked ? "marked" : "all" }),
        download: true,
        children: [
          /* @__PURE__ */ a3("b", { children: t4(`export.${format}`) }),
          /* @__PURE__ */ a3("small", { children: t4(`export.${format}.what`) })
        ]
      },
      format
    )),
    /* @__PURE__ */ a3("p", { class: "soft small", children: t4("export.rights") })
  ] });
}

// src/parts/refused.tsx
function Refused({ refusal: refusal3 }) {
  const { status, parameter, near } = refusal3.problem;
  const said2 = refusalSaid(refusal3);
  const text = near?.length ? said2.replace(/ Did you mean [^?]*\?/, "") : said2;
  A2(() => say(text), [text]);
  const uploads = asked.value.parts.some((p5) => p5.kind === "upload");
  function take(name) {
    if (parameter?.startsWith("filter")) filterBy({ taxon: name });
    else addPart({ kind: "text", text: name });
  }
  return /* @__PURE__ */ a3("section", { class: "refusal", role: "alert", children: [
    /* @__PURE__ */ a3("h2", { children: t4("refused.title") }),
    /* @__PURE__ */ a3("p", { children: /* @__PURE__ */ a3(Mixed, { text }) }),
    near && near.length > 0 && /* @__PURE__ */ a3("p", { children: [
      t4("refused.near"),
      " ",
      near.map((name) => /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: () => take(name), children: name }, name))
    ] }),
    /* @__PURE__ */ a3("p", { children: [
      (status === 0 || status >= 500) && /* @__PURE__ */ a3("button", { type: "button", class: "main", onClick: () => void search(), children: t4("refused.again") }),
      uploads && (status === 404 || status === 410) && /* @__PURE__ */ a3("button", { type: "button", onClick: () => ask({ parts: asked.value.parts.filter((p5) => p5.kind !== "upload") }), children: t4("refused.without") })
    ] })
  ] });
}

// src/parts/start.tsx
function Start() {
  const about = index.value;
  const some = useSignal([]);
  A2(() => {
    const asking = new AbortController();
    get("/ogc/collections/observations/items?limit=40", asking.signal).then(
      (found) => {
        const seen = /* @__PURE__ */ new Set();
        some.value = found.features.map((f5) => f5.properties).filter((p5) => {
          const name = p5.scientific_name ?? p5.common_name ?? "";
          return p5.link_image && !seen.has(name) && seen.add(name);
        }).slice(0, 8);
      },
      (error) => {
        if (!(error instanceof Refusal) && !asking.signal.aborted) throw error;
      }
    );
    return () => asking.abort();
  }, [about?.generation]);
  if (!about) return null;
  return /* @__PURE__ */ a3("section", { class: "start", "aria-labelledby": "start-title", children: [
    /* @__PURE__ */ a3("h2", { id: "start-title", children: t4("start.title") }),
    /* @__PURE__ */ a3("p", { children: t4("start.how") }),
    /* @__PURE__ */ a3("ul", { class: "contents", children: inOrder(about.modalities.map((m5) => m5.name)).flatMap((name) => about.modalities.filter((m5) => m5.name === name)).map((m5) => /* @__PURE__ */ a3("li", { children: [
      /* @__PURE__ */ a3(Icon, { name: m5.name, size: 18 }),
      /* @__PURE__ */ a3("b", { children: number(m5.rows) }),
      " ",
      word("contents", m5.name, { n: m5.rows })
    ] }, m5.name)) }),
    some.value.length > 0 && /* @__PURE__ */ a3($, { children: [
      /* @__PURE__ */ a3("h3", { children: t4("start.some") }),
      /* @__PURE__ */ a3("ul", { class: "some", children: some.value.map((o5) => /* @__PURE__ */ a3("li", { children: /* @__PURE__ */ a3("button", { type: "button", onClick: () => like(o5.row, [], nameOf(o5)), children: [
        /* @__PURE__ */ a3("img", { src: smaller(o5.link_image ?? ""), alt: "", loading: "lazy" }),
        /* @__PURE__ */ a3("span", { class: isItalic(o5.scientific_name) ? "latin" : "", children: nameOf(o5) }),
        secondName(o5) && /* @__PURE__ */ a3("small", { children: secondName(o5) })
      ] }) }, o5.row)) })
    ] })
  ] });
}

// src/parts/results.tsx
var PAGE2 = 24;
function Results() {
  const found = answer.value;
  if (refusal2.value) return /* @__PURE__ */ a3(Refused, { refusal: refusal2.value });
  if (!isAsked()) return /* @__PURE__ */ a3(Start, {});
  if (!found) return busy.value ? /* @__PURE__ */ a3(Waiting, {}) : null;
  return /* @__PURE__ */ a3("section", { class: "results", "aria-labelledby": "results-title", "aria-busy": busy.value, children: [
    /* @__PURE__ */ a3(ResultsHead, {}),
    /* @__PURE__ */ a3(Notes, {}),
    /* @__PURE__ */ a3(List, {}),
    /* @__PURE__ */ a3(MarkBar, {})
  ] });
}
function ResultsHead() {
  const found = answer.value;
  if (!found) return null;
  const time = found.milliseconds?.whole ?? null;
  const every = found.rows ?? null;
  const way = !found.ranked || !found.path ? "" : t4(found.path.startsWith("exact") ? "path.exact" : "path.approximate");
  return /* @__PURE__ */ a3("div", { class: "head", children: [
    /* @__PURE__ */ a3("h2", { id: "results-title", children: [
      every != null && every !== found.numberMatched ? t4("results.eligible.of", { n: found.numberMatched, all: every }) : t4("results.eligible", { n: found.numberMatched }),
      /* @__PURE__ */ a3("small", { children: [t4("results.ranked", { n: found.ranked }), way, time != null ? `${number(time)} ms` : ""].filter(Boolean).join(" · ") })
    ] }),
    busy.value && /* @__PURE__ */ a3("progress", { "aria-label": t4("results.busy") }),
    /* @__PURE__ */ a3("label", { class: "sort", children: [
      /* @__PURE__ */ a3("span", { children: t4("sort") }),
      /* @__PURE__ */ a3(
        "select",
        {
          value: sort.value,
          onChange: (e4) => {
            sort.value = e4.currentTarget.value;
            shown.value = PAGE2;
            write(true);
          },
          children: ["score", "date", "name"].map((s4) => /* @__PURE__ */ a3("option", { value: s4, children: t4(`sort.${s4}`) }, s4))
        }
      )
    ] }),
    /* @__PURE__ */ a3(ExportMenu, {}),
    /* @__PURE__ */ a3(
      "button",
      {
        type: "button",
        class: "small",
        onClick: () => navigator.clipboard ? navigator.clipboard.writeText(location.href).then(() => tell(t4("link.copied")), () => tell(t4("link.bar"))) : tell(t4("link.bar")),
        children: [
          /* @__PURE__ */ a3(Icon, { name: "link", size: 14 }),
          t4("link")
        ]
      }
    )
  ] });
}
function Notes() {
  const known2 = [...index.value?.said ?? [], ...answer.value?.said ?? []];
  const notes = [.../* @__PURE__ */ new Set([...index.value?.notes ?? [], ...answer.value?.notes ?? []])];
  const other = answer.value?.insteadOf;
  const few = hits.value.length < (answer.value?.ranked ?? 0) || !hits.value.length;
  if (!notes.length && !few && other === void 0) return null;
  return /* @__PURE__ */ a3("ul", { class: "notes", children: [
    notes.map((note) => /* @__PURE__ */ a3("li", { children: /* @__PURE__ */ a3(Mixed, { text: sentence(note, known2) }) }, note)),
    other !== void 0 && /* @__PURE__ */ a3("li", { children: t4("note.generation", { asked: other, n: answer.value?.generation ?? 0 }) }),
    !hits.value.length && !busy.value && /* @__PURE__ */ a3("li", { children: [
      !known2.some((s4) => s4.code === "none" || s4.code === "none.like") && `${t4("results.none")} `,
      isFiltered(asked.value.filter) && /* @__PURE__ */ a3("button", { type: "button", class: "small", onClick: clearFilter, children: t4("only.clear") })
    ] })
  ] });
}
function List() {
  const list = T2(null);
  const end = T2(null);
  const every = sorted.value;
  const target = answer.value?.target ?? "image";
  const some = every.slice(0, shown.value);
  const more = () => shown.value = Math.min(shown.value + PAGE2, every.length);
  A2(() => {
    if (!end.current || shown.value >= every.length) return;
    const near = new IntersectionObserver(([e4]) => e4?.isIntersecting && shown.value % 96 && more(), { rootMargin: "400px" });
    near.observe(end.current);
    return () => near.disconnect();
  }, [shown.value, every.length]);
  return /* @__PURE__ */ a3($, { children: [
    /* @__PURE__ */ a3("ol", { class: `cards ${target}`, ref: list, children: some.map((hit, i5) => /* @__PURE__ */ a3(Card, { hit, target, at: i5, focusable: true }, hit.row)) }),
    /* @__PURE__ */ a3("div", { class: "end", ref: end, children: [
      shown.value < every.length && /* @__PURE__ */ a3("button", { type: "button", onClick: more, children: t4("results.more") }),
      every.length > 0 && /* @__PURE__ */ a3("span", { class: "soft", children: t4("results.shown", { n: some.length, all: fetchingMore.value ? answer.value?.ranked ?? every.length : every.length }) })
    ] })
  ] });
}
function MarkBar() {
  const [yes, no] = [markedRows.value, rejectedRows.value];
  if (!canMark.value || yes.length + no.length === 0) return null;
  return /* @__PURE__ */ a3("div", { class: "markbar", role: "region", "aria-label": t4("marks"), children: [
    /* @__PURE__ */ a3("span", { children: t4("marks.count", { yes: yes.length, no: no.length }) }),
    /* @__PURE__ */ a3("button", { type: "button", class: "main", onClick: () => ask({ more: yes.slice(0, 100), less: no.slice(0, 100) }), children: t4("marks.again") }),
    /* @__PURE__ */ a3(ExportMenu, { marked: true })
  ] });
}
function Waiting() {
  return /* @__PURE__ */ a3("section", { class: "results", "aria-busy": "true", children: [
    /* @__PURE__ */ a3("p", { class: "soft waiting", children: [
      /* @__PURE__ */ a3("progress", { "aria-label": t4("results.busy") }),
      " ",
      t4("results.busy")
    ] }),
    /* @__PURE__ */ a3("ol", { class: "cards", "aria-hidden": "true", children: Array.from({ length: 8 }, (_5, i5) => /* @__PURE__ */ a3("li", { class: "card ghost", children: [
      /* @__PURE__ */ a3("div", { class: "shown" }),
      /* @__PURE__ */ a3("div", { class: "facts" })
    ] }, i5)) })
  ] });
}

// src/app.tsx
var PANES = ["list", "map", "filters"];
function App() {
  A2(() => {
    document.documentElement.lang = language.value;
  }, [language.value]);
  A2(() => {
    document.title = index.value ? `${index.value.name} · prom3e-index` : "prom3e-index";
  }, [index.value?.name]);
  return /* @__PURE__ */ a3($, { children: [
    /* @__PURE__ */ a3("a", { class: "skip", href: "#answer", children: t4("skip") }),
    /* @__PURE__ */ a3(Header, {}),
    index.value ? /* @__PURE__ */ a3($, { children: [
      /* @__PURE__ */ a3(Newer, {}),
      /* @__PURE__ */ a3(Link, {}),
      /* @__PURE__ */ a3(Ask, {}),
      /* @__PURE__ */ a3(Panes, {}),
      /* @__PURE__ */ a3("main", { id: "answer", class: `panes at-${pane.value}`, tabIndex: -1, children: [
        /* @__PURE__ */ a3(Filters, {}),
        /* @__PURE__ */ a3("div", { class: "list", children: /* @__PURE__ */ a3(Results, {}) }),
        /* @__PURE__ */ a3(MapPane, {})
      ] })
    ] }) : /* @__PURE__ */ a3("main", { class: "opening", id: "answer", tabIndex: -1, children: indexRefusal.value ? /* @__PURE__ */ a3("section", { class: "refusal", role: "alert", children: [
      /* @__PURE__ */ a3("h2", { children: t4("refused.title") }),
      /* @__PURE__ */ a3("p", { children: /* @__PURE__ */ a3(Mixed, { text: refusalSaid(indexRefusal.value) }) }),
      /* @__PURE__ */ a3("button", { type: "button", class: "main", onClick: () => void openIndex(), children: t4("refused.again") })
    ] }) : /* @__PURE__ */ a3("p", { class: "soft", children: [
      /* @__PURE__ */ a3("progress", { "aria-label": t4("opening") }),
      " ",
      t4("opening")
    ] }) }),
    /* @__PURE__ */ a3(Lightbox, {}),
    /* @__PURE__ */ a3(Help, {}),
    /* @__PURE__ */ a3("div", { class: "toast", "aria-hidden": "true", hidden: !told.value, children: /* @__PURE__ */ a3(Mixed, { text: told.value }) }),
    /* @__PURE__ */ a3("div", { class: "hidden", role: "status", "aria-live": "polite", children: /* @__PURE__ */ a3(Mixed, { text: said.value }) })
  ] });
}
function Panes() {
  const counts = {
    list: answer.value ? number(answer.value.ranked) : "",
    map: "",
    filters: isFiltered(asked.value.filter) ? "•" : ""
  };
  return /* @__PURE__ */ a3("nav", { class: "tabs", "aria-label": t4("panes"), children: PANES.map((p5) => /* @__PURE__ */ a3("button", { type: "button", "aria-pressed": pane.value === p5, onClick: (e4) => {
    pane.value = p5;
    e4.currentTarget.closest("nav")?.scrollIntoView({ block: "start" });
  }, children: [
    t4(`pane.${p5}`),
    " ",
    counts[p5] && /* @__PURE__ */ a3("small", { children: counts[p5] })
  ] }, p5)) });
}

// src/keys.ts
var cards = () => [...document.querySelectorAll(".results .card")];
var focused = () => document.activeElement?.closest(".results .card") ?? null;
function current() {
  const row = opened.value ?? Number(focused()?.dataset.row ?? pointed.value ?? Number.NaN);
  return hits.value.find((h6) => h6.row === row) ?? null;
}
function focusCard(card) {
  card?.querySelector("button.open")?.focus();
  card?.scrollIntoView({ block: "nearest" });
}
function across(every) {
  const top = every[0]?.offsetTop;
  const next = every.findIndex((c4) => c4.offsetTop !== top);
  return next < 0 ? every.length : next;
}
function move(key) {
  if (opened.value !== null) {
    if (key === "ArrowLeft" || key === "ArrowRight") step(key === "ArrowLeft" ? -1 : 1);
    return key === "ArrowLeft" || key === "ArrowRight";
  }
  const every = cards();
  const at = focused() ? every.indexOf(focused()) : -1;
  if (!every.length || at < 0) return false;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across(every), ArrowDown: across(every) }[key] ?? 0;
  if (at + by >= every.length && shown.value < sorted.value.length) {
    shown.value += 24;
    requestAnimationFrame(() => focusCard(cards()[at + by]));
  } else focusCard(every[Math.max(0, Math.min(every.length - 1, at + by))]);
  return true;
}
function act(key) {
  const hit = current();
  const audio2 = hit && audioOf(hit);
  if (key === "/") (document.querySelector("[data-field=text]") ?? document.querySelector(".drop .choose"))?.focus();
  else if (key === "?") helpOpen.value = !helpOpen.value;
  else if (key === "n") {
    if (opened.value !== null) step(1);
    else {
      const at = cards().length;
      shown.value = Math.min(sorted.value.length, shown.value + 24);
      requestAnimationFrame(() => focusCard(cards()[at]));
    }
  } else if (key === "p") {
    if (opened.value !== null) step(-1);
    else {
      const every = cards();
      const at = focused() ? every.indexOf(focused()) : 0;
      focusCard(every[Math.max(0, at - 24)]);
    }
  } else if (key === "f") {
    pane.value = "filters";
    requestAnimationFrame(() => document.querySelector("[data-field=taxon]")?.focus());
  } else if (key === "g") {
    pane.value = "map";
    requestAnimationFrame(() => document.querySelector(".map [tabindex='0'], .map button")?.focus());
  } else if (hit && key === "m") void toggleMark(hit, "relevant");
  else if (hit && key === "x") void toggleMark(hit, "irrelevant");
  else if (hit && key === "s") like(hit.row, [], nameOf(hit));
  else if (hit && audio2 && key === " ") toggle(soundKey(hit.row), audio2, hit.span?.from ?? null, hit.span?.to ?? null);
  else return false;
  return true;
}
function pressed(e4) {
  if (e4.defaultPrevented || e4.ctrlKey || e4.metaKey || e4.altKey) return;
  const on = e4.target;
  if (e4.key === "Escape") {
    if (tool.value !== "move") tool.value = "move";
    else if (opened.value !== null) close();
    return;
  }
  if (on.closest?.("input, textarea, select, [role=slider], .maplibregl-canvas, details[open]")) return;
  if (helpOpen.value && e4.key !== "?") return;
  if (e4.key.startsWith("Arrow")) {
    if (move(e4.key)) e4.preventDefault();
    return;
  }
  if (e4.key === " " && on.closest("button, summary, a") && !on.matches(".card .open")) return;
  if (singleKeys.value && act(e4.key)) e4.preventDefault();
}
function listenToKeys() {
  document.addEventListener("keydown", pressed);
}

// src/main.tsx
async function start() {
  paint();
  history.scrollRestoration = "manual";
  read();
  Q(/* @__PURE__ */ a3(App, {}), document.getElementById("app"));
  listenToKeys();
  addEventListener("popstate", async (e4) => {
    read();
    await search();
    const scroll = e4.state?.scroll;
    if (scroll !== void 0) requestAnimationFrame(() => scrollTo(scroll));
  });
  await openIndex();
  void openMarks();
  await restoreUploads();
  await search();
}
void start();
